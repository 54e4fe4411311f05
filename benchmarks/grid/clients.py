"""Clients inside an emulated PC: `clients.py PORT`; each line on stdin is a round, each line on stdout what it took.

Needs nothing but Python. A round: so many requests at once, each with a new random prompt, each streamed.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from typing import Any


class Streamed:
    """One request, and when its first and last token came."""

    def __init__(self, port: int, asked: dict[str, Any]) -> None:
        self.port = port
        self.count = asked["output_tokens"]
        prompt = random.Random().choices(range(300, asked["vocabulary"]), k=asked["prompt_tokens"])
        self.body = json.dumps({
            "model": "tiny", "prompt": prompt, "max_tokens": self.count, "ignore_eos": True,
            "temperature": 0, "stream": True,
        })  # fmt: skip
        self.first_s = self.last_s = 0.0

    def run(self, begin: threading.Barrier) -> None:
        begin.wait()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(
            "POST", "/v1/completions", self.body, {"Content-Type": "application/json"}
        )
        for line in connection.getresponse():
            if line.startswith(b"data: {"):
                self.last_s = time.monotonic()
                self.first_s = self.first_s or self.last_s
        connection.close()


def play(port: int, asked: dict[str, Any]) -> dict[str, float]:
    """One round: its length, and the means of first token and token interval over its requests."""
    requests = [Streamed(port, asked) for _ in range(asked["requests"])]
    begin = threading.Barrier(len(requests) + 1)
    threads = [threading.Thread(target=one.run, args=(begin,)) for one in requests]
    for thread in threads:
        thread.start()
    begin.wait()
    begun_s = time.monotonic()
    for thread in threads:
        thread.join()
    gaps = max(1, asked["output_tokens"] - 1)
    return {
        "round_s": max(one.last_s for one in requests) - begun_s,
        "first_token_s": sum(one.first_s - begun_s for one in requests) / len(requests),
        "token_interval_s": sum(one.last_s - one.first_s for one in requests)
        / gaps
        / len(requests),
    }


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(play(int(sys.argv[1]), json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
