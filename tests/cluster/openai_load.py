"""Twelve requests of OpenAI's package at once: `openai_load.py PORT MODEL`; says `begun`, then prints one document.

Runs in the engine environment, which has the package.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import openai

TOKENS = 160
_EACH = 6
_WITHIN_S = 120.0


class Load:
    """Half of the requests are streams; no request is tried twice by the client itself."""

    def __init__(self, port: str, model: str) -> None:
        base = f"http://127.0.0.1:{port}/v1"
        self._client = openai.OpenAI(
            base_url=base, api_key="none", timeout=_WITHIN_S, max_retries=0
        )
        self._model = model
        self._flowing = threading.Semaphore(0)

    def whole(self) -> str:
        try:
            said = self._client.completions.create(model=self._model, prompt="x", max_tokens=TOKENS)
        except openai.OpenAIError as error:
            return f"failed: {error}"
        return "whole" if said.usage and said.usage.completion_tokens == TOKENS else "short"

    def stream(self) -> str:
        count = 0
        try:
            for chunk in self._client.completions.create(
                model=self._model, prompt="x", max_tokens=TOKENS, stream=True
            ):
                count += len(chunk.choices)
                if count == 1:
                    self._flowing.release()
        except openai.APIError as error:
            return f"told: {error.message}"
        return "whole" if count == TOKENS else "short"

    def run(self) -> dict[str, list[str]]:
        with ThreadPoolExecutor(2 * _EACH) as senders:
            streams = [senders.submit(self.stream) for _ in range(_EACH)]
            answers = [senders.submit(self.whole) for _ in range(_EACH)]
            for _ in streams:
                self._flowing.acquire(timeout=_WITHIN_S)
            print("begun", flush=True)  # noqa: T201 - the test reads it
            return {
                "streams": [one.result() for one in streams],
                "answers": [one.result() for one in answers],
            }


if __name__ == "__main__":
    print(json.dumps(Load(*sys.argv[1:]).run()))  # noqa: T201
