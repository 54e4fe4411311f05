"""What each networking mode of WSL2 means for a cluster."""

from __future__ import annotations

import pytest

from homecluster.app.wsl_advice import MIRRORED_STEPS, wsl_advice
from homecluster.domain.hardware import WslMode


@pytest.mark.parametrize("mode", [WslMode.NAT, WslMode.VIRTIOPROXY, WslMode.CONSOMME])
def test_behind_a_nat_it_joins_but_nobody_dials_it(mode: WslMode) -> None:
    advice = wsl_advice(mode)
    assert (advice.can_be_dialled, advice.can_coordinate) == (False, False)
    assert advice.steps[: len(MIRRORED_STEPS)] == MIRRORED_STEPS
    assert "can join" in advice.summary


def test_mirrored_needs_no_step_before_something_failed() -> None:
    advice = wsl_advice(WslMode.MIRRORED)
    assert (advice.can_be_dialled, advice.steps) == (True, ())


@pytest.mark.parametrize("mode", list(WslMode))
def test_every_mode_has_its_words(mode: WslMode) -> None:
    assert "WSL2" in wsl_advice(mode).summary
