"""Small cases whose arithmetic stands in the comment."""

from dataclasses import replace
from typing import Any

import pytest

from homecluster.domain.hardware import DeviceKind, DType, Provenance
from homecluster.domain.ids import NodeId
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.planner import network, partition, priors, serving, start_up, step
from homecluster.planner.compute import Shard, kv_bytes_per_token
from homecluster.planner.estimate import Estimator
from homecluster.planner.network import Fabric, interpolate
from homecluster.planner.preparation import Prepared
from tests.builders import cluster, copy_of, device, link, model, node

GPT2, LLAMA = model("gpt2"), model("llama-3-8b")
CPU = DeviceKind.CPU
LAUNCH = priors.COLLECTIVE_LAUNCH_S


def shard(layers: int, tensor_parallel: int = 1) -> Shard:
    return Shard(layers=layers, first=True, last=True, tensor_parallel=tensor_parallel)


def ready(home, *stages: tuple[int, tuple[str, ...]], workload: Serve | None = None) -> Prepared:
    """GPT-2 laid over devices of `home`."""
    prepared = Estimator(home, GPT2, workload or Serve()).prepare(copy_of(GPT2, *stages))
    assert isinstance(prepared, Prepared)
    return prepared


def test_a_token_of_gpt2_takes_36864_bytes_of_cache() -> None:
    """2 (K, V) x 12 heads x 64 x 12 layers x 2 B = 36,864 B."""
    assert kv_bytes_per_token(GPT2, shard(12), DType.BF16) == 36_864


def test_a_token_of_llama_3_8b_takes_131072_bytes_of_cache() -> None:
    """2 x 8 KV heads x 128 x 32 layers x 2 B = 131,072 B."""
    assert kv_bytes_per_token(LLAMA, shard(32), DType.BF16) == 131_072


def test_sixteen_ranks_of_eight_kv_heads_each_hold_a_whole_head() -> None:
    """2 x 1 head (copied, not halved) x 128 x 32 x 2 B = 16,384 B, as with eight ranks."""
    assert kv_bytes_per_token(LLAMA, shard(32, 16), DType.BF16) == 16_384
    assert kv_bytes_per_token(LLAMA, shard(32, 8), DType.BF16) == 16_384


def test_gpt2_sends_25_all_reduces_per_token() -> None:
    """2 per layer x 12 + 1 for the vocabulary-parallel embedding."""
    home = cluster(node("a"), node("b"))
    (stage,) = ready(home, (12, ("a/cuda:0", "b/cuda:0"))).copy.stages
    assert step.all_reduces(stage) == 25


def test_27_messages_wait_for_one_another_between_two_tokens_of_gpt2() -> None:
    """25 all-reduces + 1 gather of logits + 1 of the scheduler."""
    home = cluster(node("a"), node("b"))
    assert step.messages_per_token(ready(home, (12, ("a/cuda:0", "b/cuda:0"))).copy) == 27


def test_a_token_over_two_pcs_waits_26_and_a_half_round_trips_and_the_launches() -> None:
    """NCCL: 25 x 1 RTT + 1/2 (gather) + 1 (scheduler) = 26.5 RTT of 1 ms, and 26 launches."""
    home = cluster(node("a"), node("b"))
    one = ready(home, (12, ("a/cuda:0", "b/cuda:0"))).copy
    path = step.decode_step(one, sequences=1, context_tokens=1).path
    assert path.network_latency_s == pytest.approx(26.5e-3 + 26 * LAUNCH[DeviceKind.CUDA])


def test_the_other_rank_sends_50304_bytes_of_logits_per_sequence() -> None:
    """GPT-2's 50,257 rows are padded to 50,304; half of them x 2 B. With 25 messages of 1,536 B and 2,048 B
    of the scheduler's: (25 x 1,536 + 50,304 + 2,048) / 100 MB/s."""
    home = cluster(node("a"), node("b"))
    one = ready(home, (12, ("a/cuda:0", "b/cuda:0"))).copy
    path = step.decode_step(one, sequences=1, context_tokens=1).path
    assert path.network_transfer_s == pytest.approx((25 * 1536 + 50_304 + 2048) / 1e8)


def test_a_pair_s_ring_all_reduce_takes_one_round_trip_with_nccl() -> None:
    """2(n-1)/n = 1 turn of a ring of 0.5 + 0.5 ms; each edge carries the message once: 1 MB / 100 MB/s = 10 ms."""
    home = cluster(node("a"), node("b"))
    cost = network.all_reduce(Fabric(home), home.devices(), 1e6)
    assert cost.latency_s == pytest.approx(1e-3 + LAUNCH[DeviceKind.CUDA])
    assert cost.transfer_s == pytest.approx(0.01)


def test_a_pair_s_all_reduce_takes_two_round_trips_with_gloo() -> None:
    home = cluster(node("a", device("a", kind=CPU)), node("b", device("b", kind=CPU)))
    cost = network.all_reduce(Fabric(home), home.devices(), 1e6)
    assert cost.latency_s == pytest.approx(2e-3 + LAUNCH[CPU])


def test_four_pcs_pass_a_message_around_one_and_a_half_times() -> None:
    """2(n-1)/n = 1.5 turns x 4 x 0.5 ms = 3 ms; each edge carries 1.5 MB: 15 ms."""
    home = cluster(*(node(name) for name in "abcd"))
    cost = network.all_reduce(Fabric(home), home.devices(), 1e6)
    assert cost.latency_s == pytest.approx(3e-3 + LAUNCH[DeviceKind.CUDA])
    assert cost.transfer_s == pytest.approx(0.015)


def test_a_shared_medium_doubles_the_transfer_of_a_pair() -> None:
    """Both directions are in the air: 2 x 1 MB / 100 MB/s."""
    home = cluster(node("a"), node("b"), medium="air")
    assert network.all_reduce(Fabric(home), home.devices(), 1e6).transfer_s == pytest.approx(0.02)


def test_the_slower_direction_decides_the_transfer() -> None:
    """1 MB / 50 MB/s."""
    home = cluster(node("a"), node("b"))
    slow = replace(home, links=(home.links[0], link("b", "a", bandwidth_bytes_per_s=5e7)))
    assert network.all_reduce(Fabric(slow), home.devices(), 1e6).transfer_s == pytest.approx(0.02)


def test_jitter_adds_its_share_to_each_way_and_loss_a_retransmission() -> None:
    """0.5 ms + 0.56 x 1 ms + 1 % x (200 ms + 1 ms of round trip) = 3.07 ms one way."""
    home = cluster(node("a"), node("b"), jitter_s=1e-3, loss_ratio=0.01)
    there_and_back = Fabric(home).round_trip(NodeId("a"), NodeId("b"))
    assert there_and_back == pytest.approx(2 * 3.07e-3)


def test_a_step_waits_for_the_farthest_pc() -> None:
    """One round trip to b takes 1 ms, one to c 10 ms."""
    near, far = 0.5e-3, 5e-3
    home = cluster(node("a"), node("b"), node("c"))
    home = replace(
        home, links=tuple(replace(one, latency_s=far if "c" in (one.src, one.dst) else near) for one in home.links)
    )  # fmt: skip
    a, *others = home.devices()
    cost = network.step_messages(Fabric(home), a, others, pipeline=False)
    assert cost.latency_s == pytest.approx(10e-3)


def test_a_measured_all_reduce_beats_what_the_link_implies() -> None:
    """The curve says 7 ms at 1 KiB, whatever round trip and bandwidth are."""
    home = cluster(node("a"), node("b"), all_reduce=((1024, 7e-3), (4096, 8e-3)))
    assert network.all_reduce(Fabric(home), home.devices(), 1024).total_s == pytest.approx(7e-3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (10, 1e-3),  # below the first point: as the first
        (1000, 1e-3),
        (10_000, 10e-3),  # half way between 10^3 and 10^5 in log: 10^-3 x (10^-1 / 10^-3)^(1/2)
        (100_000, 100e-3),
        (200_000, 200e-3),  # beyond the last: by its rate
    ],
)
def test_a_curve_is_straight_in_log_log(size: int, expected: float) -> None:
    assert interpolate(((1000, 1e-3), (100_000, 100e-3)), size) == pytest.approx(expected)


def test_vllm_splits_13_layers_over_4_stages_with_the_rest_before_the_last() -> None:
    """13 = 4 x 3 + 1: the one over goes to the last stage but one."""
    assert partition.even(13, 4) == (3, 3, 4, 3)
    assert partition.even(14, 4) == (3, 4, 4, 3)
    assert partition.even(12, 4) == (3, 3, 3, 3)


def test_a_balanced_split_follows_the_speeds_up_to_what_memory_holds() -> None:
    """Speeds 3:1 over 12 layers: 9 and 3; with room for 7 only, 7 and 5; with room for 6 and 5, none."""
    assert partition.balanced(12, (3, 1), (12, 12)) == (9, 3)
    assert partition.balanced(12, (3, 1), (7, 12)) == (7, 5)
    assert partition.balanced(12, (3, 1), (6, 5)) is None
    assert partition.balanced(2, (1, 1, 1), (9, 9, 9)) is None


def test_a_pipeline_of_two_comes_round_after_two_turns_of_its_busiest_stage() -> None:
    """Two requests, two stages: each in its own batch of one. Cycle = max(way through both, 2 x busiest stage)."""
    home = cluster(node("a"), node("b"))
    one = ready(home, (9, ("a/cuda:0",)), (3, ("b/cuda:0",)), workload=Serve(concurrent_requests=2))
    served = serving.closed_loop(
        one.copy, Serve(output_tokens=10**6), concurrent=2, kv_cache_tokens=10**9
    )
    context = step.decode_step(one.copy, sequences=1, context_tokens=512 + 5 * 10**5)
    assert served.terms.total_s == pytest.approx(
        max(context.path.total_s, 2 * context.occupied_s), rel=1e-3
    )


def test_all_but_the_first_request_share_a_pipeline_s_batch() -> None:
    """Sixteen prompts of 16 tokens on two stages: fifteen come round together, not eight and eight."""
    home = cluster(node("a"), node("b"))
    load = Serve(prompt_tokens=16, output_tokens=10**6, concurrent_requests=16)
    one = ready(home, (6, ("a/cuda:0",)), (6, ("b/cuda:0",)), workload=load)
    served = serving.closed_loop(one.copy, load, concurrent=16, kv_cache_tokens=10**9)
    together = step.decode_step(one.copy, sequences=15, context_tokens=16 + 5 * 10**5)
    assert served.terms.total_s == pytest.approx(
        max(together.path.total_s, 16 / 15 * together.occupied_s), rel=1e-3
    )
    assert serving.largest_batch(1, 16, chunk=4) == 16
    assert [serving.largest_batch(2, requests, chunk=4) for requests in (1, 1.5, 2)] == [1, 1, 1]
    assert [serving.largest_batch(2, requests, chunk=4) for requests in (5, 6, 16)] == [4, 4, 8]


def test_batches_in_flight_wait_for_the_air_that_their_hand_overs_share() -> None:
    """Three stages on three PCs in one air of 100 KB/s: two hand-overs of 1,536 B keep it for 30.72 ms a step."""
    home = cluster(*(node(name) for name in "abc"), medium="air", bandwidth_bytes_per_s=1e5)
    one = ready(home, *((4, (f"{name}/cuda:0",)) for name in "abc")).copy
    wired = ready(
        cluster(*(node(name) for name in "abc"), bandwidth_bytes_per_s=1e5),
        *((4, (f"{name}/cuda:0",)) for name in "abc"),
    ).copy
    assert step.decode_step(one, sequences=1, context_tokens=1).occupied_s == pytest.approx(
        30.72e-3
    )
    assert step.decode_step(wired, sequences=1, context_tokens=1).occupied_s == pytest.approx(
        15.36e-3
    )


def test_one_request_at_a_time_takes_its_prompt_and_then_one_interval_per_token() -> None:
    """1 request: round = reading + 127 x interval; rate = 1 / round; the first token comes after the reading."""
    home = cluster(node("a"))
    one = ready(home, (12, ("a/cuda:0",)))
    served = serving.closed_loop(
        one.copy, Serve(), concurrent=1, kv_cache_tokens=one.kv_cache_tokens
    )
    read_s = step.prefill_step(one.copy, prompts=1, prompt_tokens=512).path.total_s
    interval_s = step.decode_step(one.copy, sequences=1, context_tokens=512 + 64).path.total_s
    assert served.token_interval_s == pytest.approx(interval_s)
    assert served.first_token_s == pytest.approx(read_s)
    assert 1 / served.requests_per_s == pytest.approx(read_s + 127 * interval_s)


def test_who_comes_second_waits_for_the_first_ones_step() -> None:
    """4 requests: the first is read alone in P(1), then the other three in P(3), and all wait for 127 intervals.
    First tokens: one after P(1), three after P(1) + P(3). With 1.5 requests: P(1) once, and half of it again."""
    home = cluster(node("a"), node("b"))
    one = ready(home, (12, ("a/cuda:0", "b/cuda:0")))

    def served(concurrent: float) -> serving.Served:
        return serving.closed_loop(
            one.copy, Serve(), concurrent=concurrent, kv_cache_tokens=one.kv_cache_tokens
        )

    def read_s(prompts: int) -> float:
        return step.prefill_step(one.copy, prompts=prompts, prompt_tokens=512).path.total_s

    def interval_s(sequences: float) -> float:
        return step.decode_step(one.copy, sequences=sequences, context_tokens=576).path.total_s

    whole_s = read_s(1) + read_s(3) + 127 * interval_s(4)
    assert served(4).requests_per_s == pytest.approx(4 / whole_s)
    assert served(4).first_token_s == pytest.approx(read_s(1) + 3 / 4 * read_s(3))
    half_s = 1.5 * read_s(1) + 127 * interval_s(1.5)
    assert served(1.5).requests_per_s == pytest.approx(1.5 / half_s)


def test_requests_that_find_no_room_wait_for_a_place() -> None:
    """Room for 2 of 3 requests of 576 tokens: by Little's law 3 = rate x (first token + 127 intervals)."""
    one = ready(cluster(node("a")), (12, ("a/cuda:0",)))
    served = serving.closed_loop(one.copy, Serve(), concurrent=3, kv_cache_tokens=2 * 576)
    assert served.running_requests == 2
    inside_s = served.first_token_s + 127 * served.token_interval_s
    assert served.requests_per_s * inside_s == pytest.approx(3)


def test_decoding_gpt2_on_one_card_streams_its_weights_once() -> None:
    """12 layers x 7,087,872 + final norm 1,536 + head 50,304 x 768 = 123,689,472 elements x 2 B, and two rows
    of the tables of 768 x 2 B, and 100 tokens of cache: 251,068,416 B / (80 % of 1 TB/s, as it is assumed)."""
    one = ready(cluster(node("a")), (12, ("a/cuda:0",)))
    elements = 12 * 7_087_872 + 1536 + 50_304 * 768 + 2 * 768
    moved = elements * 2 + 100 * 36_864
    path = step.decode_step(one.copy, sequences=1, context_tokens=100).path
    assert path.memory_s == pytest.approx(moved / 0.8e12)
    assert path.compute_s == pytest.approx(
        12 * 1e-5
    )  # the layers' own overhead; arithmetic hides behind memory


def test_the_host_works_while_a_card_computes_and_only_the_rest_shows() -> None:
    """1 ms of host work less what the card takes."""
    one = ready(cluster(node("a")), (12, ("a/cuda:0",)))
    path = step.decode_step(one.copy, sequences=1, context_tokens=100).path
    assert path.total_s == pytest.approx(1e-3)


def test_profiling_gpt2_sends_78_6_mb_each_way() -> None:
    """2,048 tokens x 768 x 2 B x 25 all-reduces = 78,643,200 B; on 2.5 MB/s shared air: twice that time, and the
    logits' gather (2 prompts x 50,304 B each way) and the scheduler's 2,048 B, and 26.5 round trips."""
    home = cluster(node("a"), node("b"), medium="air", bandwidth_bytes_per_s=2.5e6, latency_s=20e-3)
    one = ready(home, (12, ("a/cuda:0", "b/cuda:0")))
    parts = dict(start_up.parts(one.copy, one.memory))
    transfer_s = (2 * 78_643_200 + 2 * 2 * 50_304 + 2048) / 2.5e6
    waiting_s = 26.5 * 0.04 + 26 * LAUNCH[DeviceKind.CUDA]
    assert parts[start_up.PROFILING_TRAFFIC] == pytest.approx(transfer_s + waiting_s)


def test_a_cpu_starts_without_a_profiling_pass_and_a_gang_is_ready_with_its_first_token() -> None:
    pcs = [node(name, device(name, kind=CPU)) for name in "ab"]
    alone = ready(cluster(pcs[0]), (12, ("a/cpu:0",)))
    gang = ready(cluster(*pcs), (12, ("a/cpu:0", "b/cpu:0")))
    assert [what for what, _ in start_up.parts(alone.copy, alone.memory)] == [
        "process start", "loading weights",
    ]  # fmt: skip
    first = step.prefill_step(gang.copy, prompts=1, prompt_tokens=1).path.total_s
    assert start_up.parts(gang.copy, gang.memory)[-1] == ("first token over the links", first)


def test_a_measured_start_replaces_the_priors_and_a_gang_waits_for_its_slowest_pc() -> None:
    """40 + 10 s on the first PC, 65 s on the other: 15 s of waiting, then 1.3 s and 70 round trips of 40 ms."""
    times: dict[str, Any] = {"worker_start_s": 10.0, "engine_ready_s": 4.0, "kind": CPU}
    marks = (("server_start_s", Provenance.MEASURED),)
    quick = device("a", **times, server_start_s=40.0, provenance=marks)
    slow = device("b", **times, server_start_s=65.0)
    home = cluster(node("a", quick), node("b", slow), latency_s=20e-3)
    alone, gang = ready(home, (12, ("a/cpu:0",))), ready(home, (12, ("a/cpu:0", "b/cpu:0")))
    parts = dict(start_up.parts(gang.copy, gang.memory))
    assert parts["process start"] + parts["worker start"] == 50.0
    assert parts["waiting for the slowest PC"] == 15.0
    assert parts["joining the other PCs"] == pytest.approx(1.3 + 70 * 40e-3)
    assert parts["getting ready"] == 4.0
    # The other PC's start was never measured, so the gang's is less sure than the first PC's alone.
    found = start_up.parts(alone.copy, alone.memory)
    assert start_up.interval(found, [quick]).low > start_up.interval(found, [quick, slow]).low


def test_memory_of_one_card_adds_up() -> None:
    """GPT-2 on 24 GiB at 90 %: 21.6 GiB less 237 MiB of weights and what the engine takes is cache."""
    (use,) = ready(cluster(node("a")), (12, ("a/cuda:0",))).memory
    assert use.capacity_bytes == int(24 * GIB * 0.9)
    taken = use.weights_bytes + use.activations_bytes + use.overhead_bytes
    assert use.kv_cache_bytes == use.capacity_bytes - taken


@pytest.mark.parametrize(("rtt_ms", "left_ms"), [(1, 4), (10, 0)])
def test_a_far_cpu_prepares_its_step_while_the_tensors_come(rtt_ms: float, left_ms: float) -> None:
    """2.5 round trips, the launch, and what of 5 ms of overhead one round trip does not hide."""
    cpus = [device(name, kind=CPU, step_overhead_s=5e-3) for name in "ab"]
    home = cluster(*(node(one.node_id, one) for one in cpus), latency_s=rtt_ms / 2e3)
    cost = network.handover(Fabric(home), cpus[:1], cpus[1:], 0)
    assert cost.latency_s == pytest.approx((2.5 * rtt_ms + left_ms) / 1e3 + LAUNCH[CPU])


def test_a_stage_on_a_cpu_is_busy_with_the_host_s_part_of_a_step() -> None:
    """4 sequences: 5 ms and 3 x 1 ms; the last stage draws 4 x 50,257 tokens at 10 ns; a GPU computes meanwhile."""
    told: dict[str, Any] = {
        "step_overhead_s": 5e-3,
        "sequence_overhead_s": 1e-3,
        "sampling_s_per_logit": 1e-8,
    }

    def host_s(kind: DeviceKind, *, last: bool) -> float:
        held = Shard(layers=6, first=not last, last=last, tensor_parallel=1)
        stage = step.Rank(shard=held, devices=(device(kind=kind, **told),))
        return step.stage_host_seconds(GPT2, stage, sequences=4)

    assert host_s(CPU, last=False) == pytest.approx(8e-3)
    assert host_s(CPU, last=True) == pytest.approx(8e-3 + 4 * 50_257 * 1e-8)
    assert host_s(DeviceKind.CUDA, last=True) == 0


def test_a_pipeline_of_llama_hands_over_twice_what_gpt2_does() -> None:
    """GPT-2: hidden states, 768 x 2 B; Llama: hidden states and residual, 2 x 4,096 x 2 B; at 100 MB/s."""
    home = cluster(node("a"), node("b"))
    small = ready(home, (6, ("a/cuda:0",)), (6, ("b/cuda:0",))).copy
    large = Estimator(home, LLAMA, Serve()).prepare(
        copy_of(LLAMA, (16, ("a/cuda:0",)), (16, ("b/cuda:0",)))
    )
    assert isinstance(large, Prepared)
    assert step.hand_overs(small, tokens=1)[0].transfer_s == pytest.approx(1536 / 1e8)
    assert step.hand_overs(large.copy, tokens=1)[0].transfer_s == pytest.approx(16_384 / 1e8)
