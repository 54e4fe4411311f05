"""Requests of a workload's exact size, sent to a server before it is measured."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    host: str
    port: int
    model: str
    api_key: str | None


def warm_up(target: Target, *, prompt_tokens: int, output_tokens: int, together: int) -> float:
    """Seconds that `together` requests sent at once took.

    Raises:
        OSError: the server did not answer, or refused; its words are in the message.
    """
    begun_s = time.monotonic()
    with ThreadPoolExecutor(max_workers=together) as senders:
        sent = [
            senders.submit(_send, target, _prompt(prompt_tokens, number), output_tokens)
            for number in range(together)
        ]
        for one in sent:
            one.result()
    return time.monotonic() - begun_s


def _prompt(tokens: int, number: int) -> list[int]:
    """Token ids that no other request shares a beginning with, so that no cache answers for it."""
    return [3 + (number * 37 + place * 7) % 200 for place in range(tokens)]


def _send(target: Target, prompt: list[int], output_tokens: int) -> None:
    body = json.dumps(
        {
            "model": target.model,
            "prompt": prompt,
            "max_tokens": output_tokens,
            "ignore_eos": True,
            "temperature": 0,
        }
    )
    headers = {"Content-Type": "application/json"}
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    connection = http.client.HTTPConnection(target.host, target.port, timeout=LIMIT_S)
    try:
        connection.request("POST", "/v1/completions", body=body, headers=headers)
        answer = connection.getresponse()
        words = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the server broke off: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"HTTP status {answer.status}: {words[:200].decode(errors='replace')}")
