"""The training planner's whole answer: facts in, a TrainPlanSet out; pure and deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Offload, Train, TrainPlan, TrainPlanSet, TrainRejection
from homecluster.planner.plan import fingerprint
from homecluster.planner.rules import Refusal
from homecluster.planner.training.estimate import train_plan
from homecluster.planner.training.groups import Group, groups
from homecluster.planner.training.trainer import Trainer, Way, by_speed
from homecluster.planner.training.training_verdict import judge

REJECTIONS: Final = 64
"""More refused sets of devices than anybody reads."""


def plan_training(cluster: Cluster, spec: ModelSpec, workload: Train) -> TrainPlanSet:
    """The best way of every set of devices, ranked; of the best set and of the best PC, every stage.

    Cost: a tenth of a millisecond per set, stage and level of recomputation; eight PCs have 255 sets.
    """
    trainer = Trainer(cluster, spec, workload)
    found: dict[Group, list[Way]] = {}
    refused: dict[Group, list[Refusal]] = {}
    for group in groups(cluster):
        ways, refusals = trainer.ways(group)
        if ways:
            found[group] = sorted(ways, key=by_speed)
        else:
            refused[group] = refusals
    best = sorted((ways[0] for ways in found.values()), key=by_speed)
    return TrainPlanSet(
        model=spec,
        workload=workload,
        trainable_parameters=trainer.demand.trainable,
        cluster_fingerprint=fingerprint(cluster),
        verdict=judge(cluster, spec, workload, best, _all(refused)),
        plans=_ranked(trainer, best, found),
        rejections=tuple(_rejection(group, why) for group, why in refused.items())[:REJECTIONS],
    )


def _ranked(
    trainer: Trainer, best: Sequence[Way], found: dict[Group, list[Way]]
) -> tuple[TrainPlan, ...]:
    chosen = list(best)
    shown_whole = [way.group for way in best[:1]]
    shown_whole += [way.group for way in best if len(way.nodes) == 1][:1]
    for group in dict.fromkeys(shown_whole):
        stages = {found[group][0].stage}
        for way in found[group]:
            if way.stage not in stages:
                stages.add(way.stage)
                chosen.append(way)
    chosen.sort(key=by_speed)
    return tuple(
        train_plan(rank, way, trainer.workload, trainer.fabric)
        for rank, way in enumerate(chosen, start=1)
    )


def _all(refused: dict[Group, list[Refusal]]) -> list[Refusal]:
    return [refusal for refusals in refused.values() for refusal in refusals]


def _rejection(group: Group, refusals: Sequence[Refusal]) -> TrainRejection:
    """The refusal that misses by least speaks for the set."""
    nearest = min(refusals, key=lambda one: one.shortfall_bytes or 0)
    stages = len(group) > 1
    return TrainRejection(
        nodes=tuple(dict.fromkeys(device.node_id for device in group)),
        devices=len(group),
        zero_stage=3 if stages else 0,
        offload=Offload.NONE,
        rule=nearest.rule,
        detail=nearest.detail,
        shortfall_bytes=nearest.shortfall_bytes,
    )
