"""What WSL2's networking mode lets this PC do in a cluster, and the steps that let it do more; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homecluster.domain.hardware import WslMode

_BEHIND_NAT: Final = (WslMode.NAT, WslMode.VIRTIOPROXY, WslMode.CONSOMME)

MIRRORED_STEPS: Final = (
    "in Windows 11 (22H2 or newer), write in %UserProfile%\\.wslconfig:  [wsl2]  networkingMode=mirrored",
    "in PowerShell: wsl --shutdown   (ends everything that runs in WSL), wait ten seconds, open WSL again",
    "check here: wslinfo --networking-mode   (prints mirrored; prints nat where Windows does not support it)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WslAdvice:
    """What the mode means; `steps` are to be typed in this order."""

    can_be_dialled: bool
    """Other PCs may open connections to this one; False: it joins and serves through its own connection."""
    can_coordinate: bool
    summary: str
    steps: tuple[str, ...]


def wsl_advice(mode: WslMode) -> WslAdvice:
    """The advice for this mode, without asking for admin rights: those are only worth it after a real connection failed."""
    if mode in _BEHIND_NAT:
        return WslAdvice(
            can_be_dialled=False,
            can_coordinate=False,
            summary=f"WSL2 in {mode} mode: this PC dials out only. It can join, be measured and run whole copies of a "
            "model, but neither take part in one copy over several PCs nor coordinate the cluster.",
            steps=(
                *MIRRORED_STEPS,
                "or join the PCs by an overlay such as WireGuard or Tailscale inside WSL, and choose it with --interface",
            ),
        )
    if mode is WslMode.NONE:
        return WslAdvice(
            can_be_dialled=False,
            can_coordinate=False,
            summary="WSL2 without a network: nothing can be joined.",
            steps=MIRRORED_STEPS,
        )
    if mode is WslMode.MIRRORED:
        return WslAdvice(
            can_be_dialled=True,
            can_coordinate=True,
            summary="WSL2 in mirrored mode: this PC has Windows' own addresses and may take part in everything.",
            steps=(),
        )
    return WslAdvice(
        can_be_dialled=True,
        can_coordinate=True,
        summary=f"WSL2 in {mode} mode: what other PCs can reach is found out by trying.",
        steps=(),
    )
