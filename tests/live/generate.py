"""Runs inside the engine environment: greedy token ids of a few prompts, by vLLM's own LLM class."""

import json
import sys
from pathlib import Path


def main() -> None:
    from vllm import LLM, SamplingParams  # noqa: PLC0415 - workers import this file too

    model, tensor_parallel, pipeline_parallel, drafting, prompts, out = sys.argv[1:]
    llm = LLM(
        model=model,
        enforce_eager=True,
        dtype="float32",
        max_model_len=256,
        kv_cache_memory_bytes=64 * 1024**2,
        tensor_parallel_size=int(tensor_parallel),
        pipeline_parallel_size=int(pipeline_parallel),
        distributed_executor_backend="mp",
        seed=0,
        speculative_config=json.loads(drafting),
        disable_log_stats=False,
    )
    greedy = SamplingParams(temperature=0, max_tokens=24, ignore_eos=True)
    outputs = llm.generate(json.loads(prompts), greedy)
    tokens = [list(output.outputs[0].token_ids) for output in outputs]
    Path(out).write_text(json.dumps(tokens))
    counted = {one.name: getattr(one, "value", None) for one in llm.get_metrics()}
    right = counted.get("vllm:spec_decode_num_accepted_tokens", 0)
    sys.stdout.write(f"drafts that were right: {right}\n")


if __name__ == "__main__":
    main()
