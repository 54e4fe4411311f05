"""What the fake engine's python runs; see gang_engine.py."""

import json
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN_S = 0.05


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tokens = asked.get("max_tokens", 1)
        if asked.get("stream"):
            self.stream(tokens)
            return
        time.sleep(TOKEN_S * (tokens - 1))
        answer = {"choices": [{"text": " a"}], "usage": {"completion_tokens": tokens}}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, tokens: int) -> None:
        """Ends with the connection, as HTTP/1.0 does."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for _ in range(tokens):
            self.wfile.write(b'data: {"choices": [{"index": 0, "text": " a"}]}\n\n')
            time.sleep(TOKEN_S)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        return


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def flag(name: str, default: str = "") -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main() -> None:
    if "pip" in sys.argv:
        return
    rank = flag("--node-rank", "0")
    folder = Path(flag("--model") or flag("serve"))
    told = folder / "behaviour"  # not among the files that PCs copy from each other
    words = dict(line.split() for line in told.read_text().splitlines()) if told.exists() else {}
    word = words.get(rank, "good")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if word == "stubborn" else signal.SIG_DFL)
    say("INFO 11-21 12:00:40 [x.py:68] Starting to load model x...")
    say(f"rank {rank} at {flag('--master-addr')}")
    if word == "crash":
        say("ValueError: No available memory for the cache blocks.")
        sys.exit(1)
    if rank == "0" and "--master-port" in sys.argv:
        meeting = socket.create_server((flag("--master-addr"), int(flag("--master-port"))))
        say(f"waiting for the others at {meeting.getsockname()[1]}")
    if word == "mute" or "--headless" in sys.argv:
        time.sleep(600)
    ThreadingHTTPServer((flag("--host"), int(flag("--port"))), Api).serve_forever()


if __name__ == "__main__":
    main()
