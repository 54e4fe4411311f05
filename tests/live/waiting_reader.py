"""Runs inside the engine environment: a reader of vLLM's own queue waits for a message; says what that cost."""

import json
import sys
import threading
import time

from vllm.distributed.device_communicators.shm_broadcast import MessageQueue, SpinCondition
from vllm.plugins import load_general_plugins

PAUSE_S = 0.8
"""Less than the second for which vLLM itself would spin."""


def main() -> None:
    load_general_plugins()
    load_general_plugins()
    writer = MessageQueue(n_reader=1, n_local_reader=1)
    reader = MessageQueue.create_from_handle(writer.export_handle(), 0)

    def write() -> None:
        writer.wait_until_ready()
        writer.enqueue("first")
        time.sleep(PAUSE_S)
        writer.enqueue("second")

    thread = threading.Thread(target=write)
    thread.start()
    reader.wait_until_ready()
    heard = [reader.dequeue(timeout=60)]
    busy_s, begun_s = time.thread_time(), time.monotonic()
    heard.append(reader.dequeue(timeout=60))
    busy_s, waited_s = time.thread_time() - busy_s, time.monotonic() - begun_s
    thread.join()
    naps = bool(getattr(SpinCondition.wait, "naps", False))
    facts = {"heard": heard, "busy_s": busy_s, "waited_s": waited_s, "naps": naps}
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
