.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
PORTABLE := $(shell find portable -name '*.py' -o -name pyproject.toml -path 'portable/*')

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(STAMP) ## Create .venv and install Detic into it

PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

$(STAMP): pyproject.toml setup.py requirements.txt $(PORTABLE)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): minutes, 6 GB with torch"
	$(PIP) ./portable -e .
	@touch $@

.PHONY: tools
tools: $(TOOLS) ## Install what tests and checks need, too

$(TOOLS): $(STAMP)
	$(PIP) ./portable -e '.[dev]'
	@touch $@

.PHONY: test
test: tools ## Run the tests (set-up included)
	$(BIN)/python -m pytest -q

EXTRAS := $(VENV)/.extras
EXTRA_TESTS := $(addprefix tests/,test_notebooks.py detic/videos detic/test_detections.py \
	detic/export lite detic/serving detic/labelling detic/review)
.PHONY: test-extras
test-extras: $(EXTRAS) ## Run the tests that need optional packages
	$(BIN)/python -m pytest -q -m 'slow or not slow' $(EXTRA_TESTS)

$(EXTRAS): $(TOOLS)
	$(PIP) -e '.[pandas,video,notebook,export,browser,parquet,scale]'
	@touch $@

.PHONY: test-slow
test-slow: tools ## Run the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

.PHONY: test-upstream
test-upstream: tools ## Run the tests on upstream Detectron2 0.6, fetched from PyPI
	$(BIN)/python tests/upstream/run.py

.PHONY: test-wheel
test-wheel: tools ## Build the distributions, install the wheel and use it elsewhere
	$(BIN)/python tests/wheel/try_wheel.py

LOWEST := .venv-lowest
.PHONY: test-lowest
test-lowest: ## Run the tests with the oldest packages that we ask for (Python 3.10 to 3.12)
	@test -x $(LOWEST)/bin/uv || ($(PYTHON) -m venv $(LOWEST) && $(LOWEST)/bin/python -m pip install -q uv)
	$(LOWEST)/bin/uv pip install -q --python $(LOWEST)/bin/python --resolution lowest-direct \
		-r pyproject.toml --extra test -r portable/pyproject.toml
	$(LOWEST)/bin/uv pip install -q --python $(LOWEST)/bin/python --no-deps \
		--reinstall-package detectron2 -e . ./portable
	# Classes are drawn by torch's random numbers, which are others in the release that was recorded.
	$(LOWEST)/bin/python -m pytest -q \
		--deselect 'tests/parity/test_numbers.py::test_numbers_equal_the_recorded_ones[unit_fed_loss]'

.PHONY: check
check: tools ## Check format, style and types, then run the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

.PHONY: quickstart
quickstart: install ## Train with and without image labels, minutes on a laptop
	$(BIN)/detic quickstart

SEED ?= 1
.PHONY: benchmark-shapes
benchmark-shapes: install ## Train all of the embedded benchmark from scratch: SEED=1
	$(BIN)/python -m detic.shapes.benchmark --seed $(SEED)

.PHONY: shapes-weights
shapes-weights: install ## Remake the weights in models/shapes
	$(BIN)/python -m detic.shapes.benchmark --seed 0 --start random --ship models/shapes
