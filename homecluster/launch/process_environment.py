"""Which of this PC's environment variables an engine inherits: a fixed list, so that runs repeat."""

from __future__ import annotations

from collections.abc import Mapping

from homecluster.launch.strays import JOB_VARIABLE

INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "LD_LIBRARY_PATH", "CUDA_HOME", "CC", "CXX",
    "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "MODELSCOPE_CACHE",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
"""Neither PYTHONPATH nor PYTHONOPTIMIZE (it removes checks that vLLM relies on), nor any VLLM_*."""
KEY_VARIABLE = "VLLM_API_KEY"


def process_environment(
    here: Mapping[str, str],
    *,
    command: tuple[tuple[str, str], ...],
    job_id: str,
    api_key: str | None,
) -> dict[str, str]:
    """The whole environment of a job's processes."""
    inherited = {name: here[name] for name in INHERITED if name in here}
    secret = {KEY_VARIABLE: api_key} if api_key else {}
    # vLLM renames its processes; without SPT_NOENV that overwrites the environment by which we find them.
    # PYTHONSAFEPATH: `python -m` must not find modules in the folder where it happens to be started.
    ours = {JOB_VARIABLE: job_id, "SPT_NOENV": "1", "PYTHONSAFEPATH": "1"}
    return inherited | dict(command) | secret | ours
