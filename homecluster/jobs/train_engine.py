"""DeepSpeed's engine around a model, and one optimiser step of it over unequal micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.jobs import train_state
from homecluster.jobs.train_data import Sample, batch_rows, parts_of
from homecluster.jobs.train_loss import learned, mean_loss
from homecluster.jobs.train_ranks import Ranks, sum_over
from homecluster.jobs.unequal_batches import loss_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one training learns, alike on all ranks."""

    method: str
    sequence: int
    micro_batches: list[int]
    """Samples per micro-step, by rank."""
    accumulation: int
    """Micro-steps per optimiser step."""
    steps: int | None
    """None: one epoch."""
    save_every: int
    lora_rank: int
    seed: int
    held_out: float
    """Share of the rows that are not learned from, and judge the result."""
    deepspeed: dict[str, Any]

    @property
    def batch(self) -> int:
        return sum(self.micro_batches) * self.accumulation


def make_engine(model_folder: Path, settings: Settings, ranks: Ranks) -> Any:
    """DeepSpeed's engine around the model that it trains."""
    import deepspeed
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(settings.seed)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model.config.use_cache = False
    if settings.method == "lora":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            model,
            LoraConfig(
                r=settings.lora_rank,
                lora_alpha=2 * settings.lora_rank,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
                init_lora_weights=True,
            ),
        )
    own = {"train_micro_batch_size_per_gpu": settings.micro_batches[ranks.rank]}
    engine, *_ = deepspeed.initialize(
        model=model,
        model_parameters=[p for p in model.parameters() if p.requires_grad],
        config=settings.deepspeed | own,
    )
    train_state.begin(engine)
    engine.train()
    return engine


def one_step(
    engine: Any, samples: Sequence[Sample], step: int, settings: Settings, ranks: Ranks
) -> float:
    """One optimiser step; the mean loss over the whole batch's learned tokens."""
    rows = batch_rows(len(samples), step, settings.batch, settings.seed)
    total = max(1, sum(learned(samples[row]) for row in rows))
    summed = 0.0
    for part in parts_of(rows, settings.micro_batches, ranks.rank):
        own = [samples[row] for row in part]
        count = sum(map(learned, own))
        loss = mean_loss(engine, own)
        summed += float(loss.detach()) * count
        scale = loss_scale(count, total, ranks.world, accumulation=settings.accumulation)
        engine.backward(loss * scale)
        engine.step()
    return sum_over(summed, ranks, engine.device) / total
