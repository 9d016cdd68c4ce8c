# Every target makes the environment that it needs; nothing has to be installed by hand but Python 3.11+ and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV    ?= .venv
BASE    ?= .venv-base
FOREIGN ?= .venv-foreign
BIN     = $(VENV)/bin
ARGS   ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install demo serve test slow contract check lint types base foreign docs bench wheel clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1|/' | column -t -s '|'

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all,dev]'
	touch $@

# Only what a regulator installs: no torch, no mlflow.
$(BASE)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python -m pip install -q -c constraints.txt -e .
	touch $@

# Tools of others that read what ireu writes; they want other versions of things than ireu does.
$(FOREIGN)/.ready: Makefile
	$(PYTHON) -m venv $(FOREIGN)
	$(FOREIGN)/bin/python -m pip install -q model-signing==1.1.1 pyopenssl
	touch $@

install: $(VENV)/.ready  ## Make the development environment in .venv

demo: $(VENV)/.ready  ## Forget a synthetic person, prove it, catch a lie (about 4 minutes, offline, CPU)
	rm -rf build/demo
	$(BIN)/ireu demo --out build/demo

serve: $(VENV)/.ready  ## Serve the demo's record: API and portal, on http://127.0.0.1:8350 (after make demo)
	$(BIN)/ireu -w build/demo serve $(ARGS)

# In the order of tests/conftest.py: what takes longest first.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
# Not to read six thousand tests for two hundred.
SLOW = $(if $(findstring tests/,$(ARGS)),,$$(grep -rlF pytest.mark.slow --include='test_*.py' tests))

test: $(VENV)/.ready $(BASE)/.ready $(FOREIGN)/.ready  ## Run the tests but the slow ones; ARGS='-k name' to choose
	$(PYTEST) -m 'not slow' --cov $(if $(ARGS),,--cov-fail-under=95) $(ARGS)

slow: $(VENV)/.ready $(BASE)/.ready $(FOREIGN)/.ready  ## Run the slow tests: whole removals, killed workers, the demo
	$(PYTEST) -m slow $(ARGS) $(SLOW)

contract: $(VENV)/.ready  ## Ask the API more than 10,000 generated requests (some minutes)
	CONTRACT_CASES=$${CONTRACT_CASES:-48} $(PYTEST) tests/api/test_contract.py

check: lint types  ## Lint, types, layers

lint: $(VENV)/.ready  ## ruff (format and lint) and import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.ready  ## mypy, strict
	$(BIN)/mypy

foreign: $(FOREIGN)/.ready  ## Make an environment with the tools of others, in .venv-foreign

base: $(BASE)/.ready  ## Make an environment with the base install only, in .venv-base

docs: $(VENV)/.ready  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.ready  ## Measure the ledger (a few minutes)
	$(BIN)/python benchmarks/ledger

wheel: $(VENV)/.ready  ## Build the wheel and the source distribution into dist/
	$(BIN)/python -m build

clean:  ## Remove environments, caches and build results
	rm -rf $(VENV) $(BASE) $(FOREIGN) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
