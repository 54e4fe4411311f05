"""People who ask without a pause: `askers.py PORT COUNT`; each line on stdin is a time to count, each line out a rate.

Needs nothing but Python. Tokens are counted as they come: a slow layout is not waited for until a request ends.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time

_VOCABULARY = 50_000
_PROMPT_TOKENS = _OUTPUT_TOKENS = 16
_LEAST_TOKENS = 4
"""Of each, in the time that is counted."""
_PATIENCE_S = 60.0


def ask(port: int, came_s: list[float]) -> None:
    """One of them, for ever; never the same prompt, for the engine knows those it had before."""
    while True:
        prompt = random.Random().choices(range(_VOCABULARY), k=_PROMPT_TOKENS)
        body = {
            "model": "gpt2", "prompt": prompt, "max_tokens": _OUTPUT_TOKENS, "ignore_eos": True,
            "temperature": 0, "stream": True,
        }  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request(
            "POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"}
        )
        for line in connection.getresponse():
            if line.startswith(b"data: {"):
                came_s.append(time.monotonic())  # noqa: PERF401 - counted while they come
        connection.close()


def rate(all_came_s: list[list[float]], seconds: float) -> float:
    """Tokens per second of all of them from now on; longer than `seconds` where hardly any come."""
    begun = [len(came_s) for came_s in all_came_s]
    begun_s = time.monotonic()
    while (waited_s := time.monotonic() - begun_s) < _PATIENCE_S:
        enough = all(
            len(came_s) - first >= _LEAST_TOKENS
            for came_s, first in zip(all_came_s, begun, strict=True)
        )
        if waited_s >= seconds and enough:
            break
        time.sleep(0.05)
    return sum(
        _rate_of_one(came_s[first:]) for came_s, first in zip(all_came_s, begun, strict=True)
    )


def _rate_of_one(came_s: list[float]) -> float:
    """By whole intervals: a window that is cut anywhere would count a token too many or too few."""
    return (len(came_s) - 1) / (came_s[-1] - came_s[0]) if len(came_s) > 1 else 0.0


def main() -> None:
    port, count = int(sys.argv[1]), int(sys.argv[2])
    all_came_s: list[list[float]] = [[] for _ in range(count)]
    for came_s in all_came_s:
        threading.Thread(target=ask, args=(port, came_s), daemon=True).start()
    for line in sys.stdin:
        print(rate(all_came_s, float(line)), flush=True)
    os._exit(0)  # whatever is still asked is given up


if __name__ == "__main__":
    main()
