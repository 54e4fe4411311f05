# Two commands do everything: `make run` (from a clone to real tokens) and `make test` (everything passes).
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest
SHELL := /bin/bash

.PHONY: help run test check laws docs format environment engine system-tools benchmarks clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: environment ## measure this PC, plan GPT-2, serve it by real vLLM, compare, stop
	@bash scripts/first-run.sh $(BIN)

test: environment system-tools engine check ## everything, with the real engine and the emulated homes
	@echo "== tests with the real engine and the emulated homes"
	$(PYTEST) -m "engine or lab or slow" -n 2 --reruns 2

check: environment ## format, lint, types, import contracts, fast tests: under two minutes
	@echo "== format, lint, types, import contracts"
	$(BIN)/ruff format --check homecluster netprobe tests benchmarks
	$(BIN)/ruff check homecluster netprobe tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo "== fast tests"
	$(PYTEST) -m "not engine and not lab and not slow" -q -n 2

laws: environment ## hunt for new counterexamples to the laws, with fresh random cases each time
	HYPOTHESIS_PROFILE=hunt $(PYTEST) -m "not engine and not lab and not slow" -q -n 2 -k "law or laws or fuzz"

docs: environment ## build the documentation site into site/
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable ".[docs]"
	$(BIN)/python -m tests.docs.reference
	$(BIN)/zensical build --strict

format: environment ## let ruff format everything
	$(BIN)/ruff format homecluster netprobe tests benchmarks
	$(BIN)/ruff check --fix homecluster netprobe tests benchmarks

environment: $(READY)

$(READY): pyproject.toml scripts/create-environment.sh
	@bash scripts/create-environment.sh $(VENV)
	@touch $@

engine: environment ## the pinned engine environment (vLLM, DeepSpeed), about 2.5 GB; reused when it is there
	@$(BIN)/homecluster engine install --training

system-tools: ## what the emulated homes need from Debian; prints the line to type elsewhere
	@bash scripts/system-tools.sh tests/lab/system-packages.txt

clean: ## remove the development environment; measured data and engines stay (homecluster engine remove)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
