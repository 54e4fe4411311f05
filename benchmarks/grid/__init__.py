"""Real runs of vLLM over emulated links, beside what the planner said of them."""
