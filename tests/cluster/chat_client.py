"""A client typed on an emulated PC: `chat_client.py PORT tokens|stream|load MODEL …`; prints one document."""

from __future__ import annotations

import http.client
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def post(port: str, path: str, body: dict[str, Any]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return connection.getresponse()


def tokens(port: str, model: str, prompt: str, count: str) -> dict[str, Any]:
    body = {
        "model": model, "prompt": prompt, "max_tokens": int(count), "temperature": 0,
        "ignore_eos": True, "return_token_ids": True,
    }  # fmt: skip
    answer = post(port, "/v1/completions", body)
    said = json.loads(answer.read())
    choice = said["choices"][0] if answer.status == http.client.OK else {}
    return {"status": answer.status, "token_ids": choice.get("token_ids")}


def stream(port: str, model: str, prompt: str, count: str) -> dict[str, Any]:
    body = {
        "model": model, "prompt": prompt, "max_tokens": int(count), "stream": True,
        "ignore_eos": True, "temperature": 0,
    }  # fmt: skip
    lines = [line.strip() for line in post(port, "/v1/completions", body) if line.strip()]
    events = [line for line in lines if line.startswith(b"data: {")]
    return {"events": len(events), "done": lines[-1] == b"data: [DONE]"}


def load(port: str, model: str, count: str, requests: str) -> dict[str, int]:
    """Requests that are not streams, four at a time; a router may ask another copy for any of them."""

    def one(number: int) -> bool:
        status = tokens(port, model, f"Request {number}", count)["status"]
        return bool(status == http.client.OK)

    with ThreadPoolExecutor(4) as senders:
        done = [senders.submit(one, number) for number in range(int(requests))]
        done[0].result()
        print("begun", flush=True)  # noqa: T201 - the test reads it
        answered = sum(each.result() for each in done)
    return {"answered": answered, "failed": int(requests) - answered}


if __name__ == "__main__":
    port, what, *rest = sys.argv[1:]
    does = {"tokens": tokens, "stream": stream, "load": load}
    print(json.dumps(does[what](port, *rest)))  # noqa: T201
