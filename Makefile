# Needs Python (3.11 or newer), make and a package index that pip can reach; nothing else.
#
#   make run     set up, index examples/documents and answer a question with citations
#   make test    set up, lint, check types, run every test
#   make bench   measure the budgets of docs/design.md on this machine
#   make bench-peers  measure openbook beside other systems and write docs/benchmarks.md (under two hours)
#   make docs    write docs/commands.md and the transcripts of the README anew
#   make pins    write constraints.txt anew from the newest versions that fit

SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys, venv, ensurepip; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
QUESTION ?= How long is the warranty on a rebuilt wheel?

.PHONY: run test model model-float32 bench bench-peers docs lint format types pins clean 
.DEFAULT_GOAL := run

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv found (on Debian: apt-get install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What a user installs.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# The same, and what the tests and measures need.
$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# Costs nothing where the model is there already.
model: $(VENV)/.installed
	@$(BIN)/openbook model install

# The tests compare int8 with float32.
model-float32: $(VENV)/.installed
	@$(BIN)/openbook model install --precision both

run: model
	@$(BIN)/python scripts/demonstrate.py "$(QUESTION)"

# A crashed worker ends the run: pytest-xdist, having replaced one, waits for ever.
test: $(VENV)/.developing model-float32 lint types
	$(BIN)/python -m pytest -n auto --dist loadgroup --max-worker-restart 0

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.developing
	$(BIN)/mypy

docs: $(VENV)/.developing model
	$(BIN)/python scripts/make_command_docs.py
	$(BIN)/python scripts/run_docs.py

bench: $(VENV)/.developing model
	$(BIN)/python -m benchmarks

# A run that was cut short goes on with the same command; exit code 3 says that the time was up. What
# was measured is reported in any case.
bench-peers: $(VENV)/.developing model
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement benchmarks/peers/requirements/harness.txt
	$(BIN)/python -m benchmarks.peers run; code=$$?; \
		$(BIN)/python -m benchmarks.peers report && test $$code -eq 0 -o $$code -eq 3

pins: $(BIN)/python
	$(BIN)/python scripts/make_constraints.py

clean:
	rm -rf $(VENV) .openbook .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
