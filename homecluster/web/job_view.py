"""One job as the page shows it."""

from __future__ import annotations

from typing import Any

from homecluster.app.jobs import JobView, document
from homecluster.domain.job import is_over
from homecluster.web.job_samples import JobSamples


def job_view(view: JobView, samples: JobSamples | None) -> dict[str, Any]:
    """State and address, the prediction with the load it was made for, and what the engine does now."""
    table = document(view)
    estimate = (table.get("plan") or {}).get("estimate") or {}
    return {
        "id": table["job"],
        "model": table["model"],
        "state": table["state"],
        "phase": table.get("phase"),
        "reason": table.get("reason"),
        "base_url": None if is_over(view.state) else table["base_url"],
        "training": table.get("training"),
        "predicted": estimate.get("output_tokens_per_s"),
        "predicted_first_token_s": estimate.get("first_token_s"),
        "predicted_requests": view.launch.workload.get("concurrent_requests"),
        "live": _live(samples) if samples and table["state"] == "running" else None,
    }


def _live(samples: JobSamples) -> dict[str, Any] | None:
    now = samples.window
    if now is None:
        return None
    return {
        "output_tokens_per_s": now.output_tokens_per_s,
        "first_token_s": now.first_token_s,
        "kv_cache_ratio": now.kv_cache_usage_ratio,
        "running": int(now.requests_running or 0),
        "waiting": int(now.requests_waiting or 0),
        "points": [list(point) for point in samples.points],
    }
