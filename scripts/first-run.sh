#!/usr/bin/env bash
# From a clone to real tokens on this PC, with the prediction beside the measurement; leaves nothing running.
set -euo pipefail
bin=$1
model=gpt2
homecluster() { "$bin/homecluster" "$@"; }
step() { printf '\n== %s\n' "$*"; }

started=no
finish() {
  code=$?
  if [ "$started" = yes ]; then
    step "stopping it: homecluster down"
    homecluster down || true
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

step "1/6 the engine: homecluster engine install (about 2 GB the first time, reused afterwards)"
homecluster engine install

step "2/6 measure this PC: homecluster probe (about two minutes the first time, reused afterwards)"
homecluster probe

step "3/6 plan: homecluster plan --model $model"
homecluster plan --model "$model"

step "4/6 launch under real vLLM, with random weights of the real shape: homecluster up --model $model --random-weights --detach"
started=yes
homecluster up --model "$model" --random-weights --detach

step "5/6 measured beside predicted: homecluster bench"
homecluster bench

step "6/6 the two founding examples"
echo "-- four RTX 4090 cards in one PC, Llama-3-8B, 256 requests in flight, one copy"
homecluster plan --cluster docs/examples/rtx4090.toml --model llama-3-8b --concurrency 256 \
  --prompt-tokens 220 --output-tokens 237 --replicas 1
echo
echo "-- two laptops on a phone hotspot: why does GPT-2 give 1 token/s?"
homecluster diagnose --cluster docs/examples/hotspot.toml --model gpt2 || [ $? -eq 1 ]
