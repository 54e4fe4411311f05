"""A small server that speaks enough of vLLM's API and log, with a family that does not want to die.

`python engine.py PORT BEHAVIOUR MARK`: `good` serves; `stubborn` serves and ignores SIGTERM;
`crash` dies as vLLM does when a worker fails; `silent` never answers. MARK only names the
processes, so that a test finds those that dropped their environment.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TextIO

GRANDCHILD = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
time.sleep(600)
"""

CRASH = """\
(Worker pid=12) ERROR 11-21 12:00:00 [multiproc_executor.py:900] Traceback (most recent call last):
(Worker pid=12) ERROR 11-21 12:00:00 [multiproc_executor.py:900] ValueError: No available memory for the cache blocks.
(EngineCore pid=11) ERROR 11-21 12:00:01 [core.py:1100] Traceback (most recent call last):
(EngineCore pid=11) ERROR 11-21 12:00:01 [core.py:1100] Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause.
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def say(text: str, stream: TextIO = sys.stdout) -> None:
    stream.write(text + "\n")
    stream.flush()


BORN_S = time.monotonic()
TOKENS_PER_S = 40.0


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Counters that grow as if one request were always being answered."""
        made = (time.monotonic() - BORN_S) * TOKENS_PER_S
        body = (
            f'vllm:generation_tokens_total{{engine="0"}} {made}\n'
            'vllm:num_requests_running{engine="0"} 1.0\n'
            'vllm:num_requests_waiting{engine="0"} 0.0\n'
            'vllm:kv_cache_usage_perc{engine="0"} 0.125\n'
        ).encode()
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        key = os.environ.get("VLLM_API_KEY")
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.send_error(401)
            return
        body = json.dumps({"choices": [{"text": " a"}], "usage": {"completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        say(f"key is {os.environ.get('VLLM_API_KEY')}")


def main() -> None:
    port, behaviour, mark = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else _leave)
    subprocess.Popen([sys.executable, "-c", GRANDCHILD, mark], env={}, start_new_session=True)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", mark])
    say("(Worker pid=12) INFO 11-21 12:00:40 [x.py:68] Starting to load model x...")
    if behaviour == "crash":
        say(CRASH, sys.stderr)
        sys.exit(1)
    if behaviour == "silent":
        time.sleep(600)
    say("(Worker pid=12) INFO 11-21 12:00:42 [x.py:501] Loading weights took 0.99 s")
    HTTPServer(("127.0.0.1", port), Api).serve_forever()


def _leave(*_: object) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
