# Every target makes its own environment in .venv first. It needs Python 3.11 or later, make and the package index.
#
#   make demo     see sage at work
#   make test     run the tests     (make test ARGS="-k channel")
#   make cover    the same, then show the lines they did not reach
#   make check    lint, format, types, layers
#   make bench    measure sage beside other ways to do the same work        (make bench ARGS="...")
#   make clean    remove everything that was made
#
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -q -q --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test cover check bench clean

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

setup: $(VENV)/.installed-dev

demo: $(VENV)/.installed-demo
	@$(BIN)/sage demo $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(ARGS)

cover: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* htmlcov
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is older than pyproject.toml when what has to be installed may have changed.
$(VENV)/.installed-demo: pyproject.toml | $(BIN)/pip
	@echo "installing sage and what its server needs into $(VENV)"
	@$(INSTALL) -e ".[serve,llm]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/pip
	@echo "installing sage and its development tools into $(VENV)"
	@$(INSTALL) -e ".[dev]"
	@touch $@

$(VENV)/.installed-bench: pyproject.toml | $(BIN)/pip
	@echo "installing sage and what it is measured against into $(VENV)"
	@$(INSTALL) -e ".[dev,bench]"
	@touch $@

# pip is the last thing `venv` makes, so an interrupted environment is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"sage needs Python 3.11 or later and this is {sys.version.split()[0]}: name another one, as in make PYTHON=python3.12")'
	@$(PYTHON) -m venv --clear $(VENV)
