"""Scaling the loss of unequal micro-batches, by hand; with real gradients in tests/live."""

from __future__ import annotations

import pytest

from homecluster.jobs.unequal_batches import loss_scale


def test_equal_shares_are_left_alone() -> None:
    assert loss_scale(4, 16, 4) == 1.0


def test_scaled_means_average_to_the_mean_of_everything() -> None:
    values = [[1.0], [2.0, 4.0], [3.0, 5.0, 6.0, 7.0, 8.0]]
    total = sum(map(len, values))
    scaled = [loss_scale(len(own), total, 3) * sum(own) / len(own) for own in values]
    assert sum(scaled) / 3 == pytest.approx(sum(map(sum, values)) / total)


def test_what_the_framework_divides_is_taken_back() -> None:
    assert loss_scale(2, 16, 2, accumulation=4) == 1.0


@pytest.mark.parametrize("share", [(-1, 4, 2), (5, 4, 2), (0, 0, 1), (1, 1, 0)])
def test_what_is_no_share_is_refused(share: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no share"):
        loss_scale(*share)
