"""Which PCs Ray gave up, by the words it prints (2.60)."""

from homecluster.engines.ray_log import given_up

LINE = (
    "(raylet) The node with node id: 51b0b4 and address: 10.77.0.3 and node name: 10.77.0.3 has been marked dead "
    "because the detector has missed too many heartbeats from it. This can happen when a \t(1) raylet crashes"
)


def test_a_pc_that_is_given_up_is_named_once_with_the_reason() -> None:
    found = list(given_up(["[b] joined", LINE, f"[a] {LINE}"]))

    assert found == [("10.77.0.3", "because the detector has missed too many heartbeats from it")]


def test_a_healthy_log_names_nobody() -> None:
    assert list(given_up(["INFO: address: 10.77.0.3 joined", ""])) == []
