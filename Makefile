.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORTABLE := $(shell find portable -name '*.py' -o -name pyproject.toml -path 'portable/*')

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(STAMP) ## Create .venv and install everything into it

$(STAMP): pyproject.toml requirements.txt $(PORTABLE)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): minutes, 6 GB with torch"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet ./portable -e '.[dev]'
	@touch $@

.PHONY: test
test: install ## Run the tests (set-up included)
	$(BIN)/python -m pytest -q

.PHONY: test-slow
test-slow: install ## Run the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

.PHONY: test-upstream
test-upstream: install ## Run the tests on Facebook's Detectron2 0.6, fetched from PyPI
	$(BIN)/python tests/upstream/run.py

.PHONY: check
check: install ## Check format and style, then run the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q

.PHONY: quickstart
quickstart: install ## Train with and without image labels, minutes on a laptop
	$(BIN)/python -m detic.shapes.quickstart

SEED ?= 1
.PHONY: benchmark-shapes
benchmark-shapes: install ## Train all of the embedded benchmark from scratch: SEED=1
	$(BIN)/python -m detic.shapes.benchmark --seed $(SEED)

.PHONY: shapes-weights
shapes-weights: install ## Remake the weights in models/shapes
	$(BIN)/python -m detic.shapes.benchmark --seed 0 --ship models/shapes
