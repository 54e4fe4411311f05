"""Clients that each stream one answer after the other: `streaming_clients.py PORT '{"model": …}'`; prints one document."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

_VOCABULARY = 50_000
"""GPT-2 has 50257 tokens."""
_ANSWER_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """One answer, by time.monotonic."""

    begun_s: float
    first_s: float
    ended_s: float
    is_whole: bool
    is_told: bool
    """It was broken off with an error that a client can read."""

    def share_between(self, low_s: float, high_s: float) -> float:
        """Of the request's work, prompt and answer, taken as evenly spread."""
        overlap_s = min(high_s, self.ended_s) - max(low_s, self.begun_s)
        return max(0.0, overlap_s) / (self.ended_s - self.begun_s)


def stream(port: int, body: dict[str, Any]) -> Streamed:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN_S)
    begun_s, first_s, last, failed = time.monotonic(), 0.0, b"", False
    connection.request(
        "POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"}
    )
    for line in connection.getresponse():
        if line.startswith(b"data: "):
            first_s, last = first_s or time.monotonic(), line.strip()
            failed = failed or line.startswith(b'data: {"error"')
    connection.close()
    ended_s = time.monotonic()
    return Streamed(
        begun_s=begun_s,
        first_s=first_s,
        ended_s=ended_s,
        is_whole=last == b"data: [DONE]" and not failed,
        is_told=failed,
    )


def measure(port: int, load: dict[str, Any]) -> dict[str, Any]:
    """Rates inside the window; the first answers before it are warm-up, the last ones run over its end."""
    together, count = load["concurrency"], load["output_tokens"]
    begin_s = time.monotonic() + load["warm_up_s"]
    end_s = begin_s + load["seconds"]

    def client(_: int) -> list[Streamed]:
        dice, done = (
            random.Random(),
            [],
        )  # never the same prompt: the engine knows those it had before
        while time.monotonic() < end_s:
            prompt = dice.choices(range(_VOCABULARY), k=load["prompt_tokens"])
            body = {
                "model": load["model"], "prompt": prompt, "max_tokens": count, "ignore_eos": True,
                "temperature": 0, "stream": True,
            }  # fmt: skip
            done.append(stream(port, body))
        return done

    with ThreadPoolExecutor(together) as clients:
        answers = [one for each in clients.map(client, range(together)) for one in each]
    shares = [one.share_between(begin_s, end_s) for one in answers]
    inside = [one for one in answers if begin_s <= one.first_s <= end_s]
    return {
        "output_tokens_per_s": sum(shares) * count / load["seconds"],
        "first_token_s": statistics.median(one.first_s - one.begun_s for one in inside),
        "answers": len(answers),
        "broken": sum(not one.is_whole for one in answers),
        "told": sum(one.is_told for one in answers),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), json.loads(sys.argv[2]))))
