"""Programs that people use, against one address: `real_clients.py PORT MODEL`; prints one document.

Runs in the engine environment, which has OpenAI's and Prometheus' Python packages.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

import openai
from prometheus_client.parser import text_string_to_metric_families

_WITHIN_S = 120.0


def chat(base_url: str, model: str) -> dict[str, Any]:
    """A chat of twelve tokens, streamed."""
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=_WITHIN_S, max_retries=0)
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"ignore_eos": True},
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return {
        "models": [each.id for each in client.models.list()],
        "chunks": len(choices),
        "tokens": chunks[-1].usage.completion_tokens,
        "finish": choices[-1].finish_reason,
    }


def scrape(url: str) -> dict[str, dict[str, float]]:
    """Sample -> copy -> value, of what a dashboard would draw."""
    with urllib.request.urlopen(url, timeout=_WITHIN_S) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found: dict[str, dict[str, float]] = {}
    for sample in (each for family in families for each in family.samples):
        if "copy" in sample.labels:
            found.setdefault(sample.name, {})[sample.labels["copy"]] = sample.value
    wanted = ("homecluster_copy_serving", "vllm:generation_tokens_total")
    return {name: found.get(name, {}) for name in wanted}


if __name__ == "__main__":
    port, model = sys.argv[1:]
    address = f"http://127.0.0.1:{port}"
    found = {"chat": chat(f"{address}/v1", model), "metrics": scrape(f"{address}/metrics")}
    print(json.dumps(found))  # noqa: T201 - the test reads it
