"""How a home with one copy over two PCs is broken, and mended again."""

from __future__ import annotations

import shutil
import subprocess
import threading

from tests.cluster.gang_home import MODEL, PORT, GangHome, engine_folder
from tests.cluster.gang_outcomes import Act
from tests.cluster.pcs import Pc
from tests.waiting import within

_LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"

_LARGE, _LARGE_BYTES = "more.safetensors", 64 * 1024**2


def link_down(seconds: float) -> Act:
    """The second PC's cable is out for so long."""

    def act(home: GangHome) -> None:
        link = home.lab.link("b")
        link.down()
        timer = threading.Timer(seconds, link.up)
        timer.daemon = True
        timer.start()

    return act


def link_up(home: GangHome) -> None:
    home.lab.link("b").up()
    home.joined()


def killed(name: str, words: str) -> Act:
    return lambda home: home.kill(getattr(home, name), words)


def agent_killed(name: str) -> Act:
    return lambda home: getattr(home, name).kill_agent()


def rejoined(home: GangHome) -> None:
    home.joined()


def agent_restarted(home: GangHome) -> None:
    home.b.kill_agent()
    home.joined()


def port_taken(home: GangHome) -> subprocess.Popen[str]:
    server = home.a.host.popen(["python3", "-c", _LISTEN, str(PORT)])
    within(20, lambda: any(str(PORT) in one for one in home.left(home.a)))
    return server


def nothing(home: GangHome) -> None:
    del home


def model_gone(home: GangHome) -> None:
    shutil.move(home.b.state / "models" / MODEL, home.b.host.home / MODEL)


def model_back(home: GangHome) -> None:
    shutil.rmtree(home.b.state / "models" / MODEL, ignore_errors=True)
    shutil.move(home.b.host.home / MODEL, home.b.state / "models" / MODEL)


def no_room(home: GangHome) -> None:
    model_gone(home)
    models = str(home.b.state / "models")
    home.b.host.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", models], check=True)
    home.b.kill_agent()  # a new one sees the new disk, as its services do
    home.joined()


def room(home: GangHome) -> None:
    home.b.host.run(["umount", str(home.b.state / "models")], check=True)
    model_back(home)


def large_model_gone(home: GangHome) -> None:
    """Its files take half a minute over a phone's hotspot."""
    model_gone(home)
    (home.a.state / "models" / MODEL / _LARGE).write_bytes(bytes(_LARGE_BYTES))


def large_model_back(home: GangHome) -> None:
    (home.a.state / "models" / MODEL / _LARGE).unlink()
    model_back(home)


def files_come(home: GangHome) -> bool:
    return any(file.stat().st_size for file in home.b.state.glob(f"models/.partial-*/{_LARGE}"))


def engine_says(version: str, other: str, software: str = "vllm") -> Act:
    """What the two PCs' engine folders hold as installed."""

    def act(home: GangHome) -> None:
        for pc, has in zip(home.pcs, (version, other), strict=True):
            folder = (
                engine_folder(pc)
                / "lib"
                / "python3.11"
                / "site-packages"
                / f"{software}-{has}.dist-info"
            )
            folder.mkdir(parents=True)
            (folder / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {software}\nVersion: {has}\n"
            )

    return act


def python_says(version: str, other: str) -> Act:
    """The Python of the two PCs' engines."""

    def act(home: GangHome) -> None:
        engine_says("0.32.0", "0.32.0")(home)
        for pc, has in zip(home.pcs, (version, other), strict=True):
            (engine_folder(pc) / "pyvenv.cfg").write_text(f"version = {has}\n")

    return act


def engines_alike(home: GangHome) -> None:
    for pc in home.pcs:
        shutil.rmtree(engine_folder(pc) / "lib")
        (engine_folder(pc) / "pyvenv.cfg").unlink(missing_ok=True)


def own_name_is_loopback(home: GangHome) -> None:
    """As Debian's installer writes it."""
    for pc in home.pcs:
        _write_hosts(pc, f"127.0.0.1 localhost\n127.0.1.1 {pc.name}\n")


def own_name_is_address(home: GangHome) -> None:
    names = "".join(f"{pc.host.address} {pc.name}\n" for pc in home.pcs)
    for pc in home.pcs:
        _write_hosts(pc, f"127.0.0.1 localhost\n{names}")


def _write_hosts(pc: Pc, text: str) -> None:
    (pc.host.folder / "hosts").write_text(text)  # in place: the host sees this very file


def no_default_route(home: GangHome) -> None:
    for pc in home.pcs:
        pc.host.run(["ip", "route", "del", "default"], check=True)


def default_route(home: GangHome) -> None:
    for pc in home.pcs:
        pc.host.run(["ip", "route", "add", "default", "via", "10.77.0.1"], check=True)


def asks_a_pc_that_sleeps(home: GangHome) -> bool:
    """The other PC falls asleep just as it is asked."""
    if not home.pids(home.a, "homecluster up"):
        return False
    home.b.kill_agent("STOP")
    threading.Event().wait(3.0)
    return True


def agent_continued(home: GangHome) -> None:
    home.b.kill_agent("CONT")


def leader_is_there(home: GangHome) -> bool:
    return bool(list(home.a.state.glob("jobs/*/launch.json"))) and bool(
        home.pids(home.a, "gang_process")
    )


def share_is_there(home: GangHome) -> bool:
    return bool(home.pids(home.b, "gang_share_process"))


def engine_is_there(home: GangHome) -> bool:
    return bool(home.pids(home.b, "gang_engine_process"))


def runs(home: GangHome) -> bool:
    return home.a.host.run(["true"]).returncode == 0 and home.answers()
