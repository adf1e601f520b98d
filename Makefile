# `make demo`, `make test`, `make setup`: see README.md.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-deps --require-hashes

.PHONY: demo setup test lint types layers lock format clean

demo: setup
	$(VENV)/bin/pso demo $(ARGS)

setup: $(VENV)/.runtime

test: $(VENV)/.development
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy
	$(VENV)/bin/dagster definitions validate -w workspace.yaml
	$(VENV)/bin/pytest $(ARGS)

format: $(VENV)/.development
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(INSTALL) -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(INSTALL) -r requirements-dev.lock
	touch $@

# Needs uv. The locks hold hashes and no address of an index.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra build --extra ducklake -o requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra build --extra ducklake --extra dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV)
