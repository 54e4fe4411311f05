"""Whether other PCs can open connections to this one, as far as it can tell by itself."""

from __future__ import annotations

from homecluster.app.wsl_advice import WslAdvice, wsl_advice
from homecluster.inventory.addresses import read_interfaces
from homecluster.inventory.home_network import tunnels
from homecluster.inventory.system import read_system
from homecluster.inventory.wsl import read_mode


def limits_here(interface: str | None) -> WslAdvice | None:
    """What WSL2's networking mode keeps this PC from; None where nothing does.

    A VPN that was chosen for the cluster ends inside WSL, so others dial its address through any NAT.
    """
    if read_system().os != "wsl2":
        return None
    if interface in {one.interface for one in tunnels(read_interfaces())}:
        return None
    advice = wsl_advice(read_mode())
    return None if advice.can_be_dialled else advice
