"""Making one emulated PC: its namespaces, its own files, its network settings."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from tests.lab import namespaces
from tests.lab.plan import HomePlan, HostPlan, InterfacePlan

_NFT_RULES: Final = """
add table ip nat
add chain ip nat leaving {{ type nat hook postrouting priority 100; }}
add rule ip nat leaving oifname {outer} iifname {inner} masquerade
add table inet filter
add chain inet filter passing {{ type filter hook forward priority 0; policy drop; }}
add rule inet filter passing ct state established,related accept
add rule inet filter passing iifname {inner} oifname {outer} accept
"""


def write_files(home: HomePlan, host: HostPlan, folder: Path) -> None:
    """The host's HOME, temporary folder, and what it will see in /etc."""
    (folder / "home").mkdir(parents=True, mode=0o700)
    (folder / "tmp").mkdir(mode=0o1777)
    names = "".join(f"{home.interface(each.name).address} {each.name}\n" for each in home.hosts)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{names}")
    (folder / "hostname").write_text(f"{host.name}\n")
    (folder / "machine-id").write_text(f"{os.urandom(16).hex()}\n")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # fails at once, not in 5 s


def start_host(host: HostPlan, folder: Path) -> int:
    """The PID of the first process of a new PID namespace; when it ends, all of the host ends.

    It is killed when the calling process ends. Not for a process with threads.

    Raises:
        OSError: the machine does not allow a namespace or a mount; says which.
    """
    own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    parent_end, child_end = socket.socketpair()
    namespaces.unshare(namespaces.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        parent_end.close()
        _be_host(host, folder, child_end)
    namespaces.setns(own_pid_namespace)
    os.close(own_pid_namespace)
    child_end.close()
    with parent_end:
        parent_end.sendall(b"go")
        answer = parent_end.recv(4096).decode()
    if answer != "ready":
        os.waitpid(pid, 0)
        raise OSError(f"host {host.name}: {answer or 'its first process died'}")
    return pid


def _be_host(host: HostPlan, folder: Path, line: socket.socket) -> None:
    try:
        namespaces.die_with_parent()
        if not line.recv(2):  # the parent died before that took effect
            os._exit(1)
        namespaces.unshare(namespaces.HOST_NAMESPACES & ~namespaces.CLONE_NEWPID)
        socket.sethostname(host.name)
        _mount_own_files(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps what is orphaned here
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir("/")
        line.sendall(b"ready")
        os.execvp("sleep", ["sleep", "infinity"])
    except OSError as error:
        line.sendall(str(error).encode())
    finally:
        os._exit(1)


def _mount_own_files(folder: Path) -> None:
    namespaces.make_mounts_private()
    cgroups = os.open("/sys/fs/cgroup", os.O_PATH) if Path("/sys/fs/cgroup").is_dir() else None
    namespaces.mount_new("proc", "/proc")
    namespaces.mount_new("sysfs", "/sys")  # /sys/class/net shows the network it was mounted in
    if cgroups is not None:
        namespaces.bind(f"/proc/self/fd/{cgroups}", "/sys/fs/cgroup")
        os.close(cgroups)
    namespaces.mount_new("tmpfs", "/dev/shm", "mode=1777")
    for name in ("hosts", "hostname", "machine-id", "resolv.conf"):
        target = Path("/etc") / name
        if target.exists():
            namespaces.bind(str(folder / name), str(target.resolve()))


def configure_network(home: HomePlan, host: HostPlan) -> None:
    """Addresses, routes, settings and NAT of the host whose network this process is in now.

    Raises:
        OSError: a setting or a tool is refused here; says which.
    """
    _write_setting("net.ipv6.conf.default.accept_dad", "0")  # link-local addresses work at once
    for name, value in home.sysctls.items():
        _write_setting(name, value)
    own = [each for each in home.interfaces if each.host == host.name]
    lines = [
        "link set lo up",
        *(line for each in own for line in _ip_lines(each, home.congestion_control)),
    ]
    if host.gateway:
        lines.append(f"route add default via {host.gateway} congctl {home.congestion_control}")
    _feed(("ip", "-batch", "-"), "\n".join(lines))
    if host.masquerades:
        inner, outer = host.masquerades
        _write_setting("net.ipv4.ip_forward", "1")
        _feed(("nft", "-f", "-"), _NFT_RULES.format(inner=inner, outer=outer))


def _ip_lines(interface: InterfacePlan, congestion_control: str) -> list[str]:
    """`congctl` on the routes and not the sysctl: a namespace may set that only to what the whole
    machine's tcp_allowed_congestion_control lists, and a lab changes nothing outside itself."""
    name = interface.name
    network = IPv4Interface(f"{interface.address}/{interface.prefix_bits}").network
    return [
        f"link set {name} mtu {interface.mtu_bytes}",
        f"addr add {interface.address}/{interface.prefix_bits} dev {name} noprefixroute",
        f"link set {name} up",
        f"route add {network} dev {name} src {interface.address} congctl {congestion_control}",
    ]


def _write_setting(name: str, value: str) -> None:
    path = Path("/proc/sys") / name.replace(".", "/")
    if not path.exists() and name.startswith("net.ipv6"):
        return  # a kernel without IPv6
    try:
        path.write_text(value)
    except OSError as error:
        raise OSError(f"{name} = {value}: {error.strerror}") from error


def _feed(argv: tuple[str, ...], text: str) -> None:
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise OSError(f"{argv[0]} is not installed (tests/lab/system-packages.txt)") from error
    if done.returncode != 0:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")
