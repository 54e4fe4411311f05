import pytest

from homecluster.domain.estimate import Interval, Terms
from homecluster.domain.layout import Layout
from homecluster.domain.topology import Cluster
from tests.builders import copy_of, device, layout_of, link, model


def test_a_layout_tells_its_shape() -> None:
    copy = copy_of(model(), (8, ("a/cuda:0", "a/cuda:1")), (4, ("b/cuda:0", "b/cuda:1")))
    layout = layout_of(copy)
    assert (layout.tensor_parallel, layout.pipeline_parallel) == (2, 2)
    assert layout.partition == (8, 4)
    assert layout.devices == ("a/cuda:0", "a/cuda:1", "b/cuda:0", "b/cuda:1")


def test_a_layout_with_a_gap_between_stages_cannot_be_made() -> None:
    first, second = copy_of(model(), (8, ("a/cuda:0",)), (4, ("b/cuda:0",)))
    with pytest.raises(AssertionError):
        Layout(engine="vllm", replicas=((second, first),))


def test_a_device_with_more_free_memory_than_it_has_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        device(memory_total_bytes=1, memory_free_bytes=2)


def test_a_link_to_a_pc_that_is_not_there_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        Cluster(nodes=(), links=(link(),))


def test_an_interval_out_of_order_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        Interval(low=2, mid=1, high=3)


def test_the_bottleneck_is_the_largest_term() -> None:
    terms = Terms(
        compute_s=1, memory_s=2, network_latency_s=5, network_transfer_s=3, host_s=0, idle_s=0
    )
    assert terms.bottleneck == "network_latency"
    assert terms.plus(terms.scaled(2)).total_s == 33
