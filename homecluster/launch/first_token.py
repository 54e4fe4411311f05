"""Whether an OpenAI-compatible server answers with a token."""

from __future__ import annotations

import http.client
import json

REQUEST_LIMIT_S = 120.0
"""The first request of a big model on a CPU is slow; a refused connection comes back at once."""


def token_came(*, host: str, port: int, model: str, api_key: str | None) -> bool:
    """Ask for one token; False for a server that is not there, not ready, or says no."""
    headers = {"Content-Type": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    body = json.dumps({"model": model, "prompt": "Hello", "max_tokens": 1, "temperature": 0})
    # Not urllib: it would send this through the proxy that the environment names.
    connection = http.client.HTTPConnection(host, port, timeout=REQUEST_LIMIT_S)
    try:
        connection.request("POST", "/v1/completions", body=body, headers=headers)
        answer = json.loads(connection.getresponse().read())
        return int(answer["usage"]["completion_tokens"]) > 0
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False
    finally:
        connection.close()
