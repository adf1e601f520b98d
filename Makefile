# `make demo`, `make test`, `make setup`: see README.md.

PYTHON ?= python3
VENV := .venv
SUPERSET := .venv-superset
PEERS := dlt pyairbyte script singer
PIP := $(VENV)/bin/pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-deps --require-hashes

.PHONY: demo superset setup test test-superset bench bench-lock lock format clean

demo: setup
	$(VENV)/bin/pso demo $(ARGS)

# What may be wrong is said before Superset is installed, which takes minutes.
superset: setup
	@$(VENV)/bin/python dashboards/superset/start.py --check $(ARGS)
	@$(MAKE) --no-print-directory --silent $(SUPERSET)/.ready
	@$(SUPERSET)/bin/python dashboards/superset/start.py $(ARGS)

setup: $(VENV)/.runtime

test: $(VENV)/.development
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy
	$(VENV)/bin/dagster definitions validate -w workspace.yaml
	$(VENV)/bin/pytest --numprocesses=auto $(ARGS)

test-superset: $(VENV)/.development $(SUPERSET)/.ready
	$(VENV)/bin/pytest -m superset pso_pipeline_tests/superset $(ARGS)

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

# Superset has an environment of its own: it needs SQLAlchemy 1.4.
$(SUPERSET)/bin/python:
	$(PYTHON) -m venv $(SUPERSET)

$(SUPERSET)/.ready: dashboards/superset/requirements.lock | $(SUPERSET)/bin/python
	@echo "Installing Superset into $(SUPERSET), once: about two minutes ..."
	$(SUPERSET)/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	touch $@

# What the pipeline costs, beside other tools, each in an environment of its own; writes docs/performance.md.
bench: $(VENV)/.development $(PEERS:%=.venv-bench-%/.installed)
	$(VENV)/bin/python -m benchmarks $(ARGS)

.venv-bench-%/.installed: benchmarks/peers/requirements-%.lock
	$(PYTHON) -m venv .venv-bench-$*
	.venv-bench-$*/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	touch $@

# Needs uv, as does `lock`.
bench-lock:
	for peer in $(PEERS); do \
		uv pip compile benchmarks/peers/requirements-$$peer.in --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header -o benchmarks/peers/requirements-$$peer.lock || exit 1; \
	done

# Needs uv. The locks hold hashes and no address of an index.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra build --extra ducklake -o requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra build --extra ducklake --extra dev -c requirements.lock -o requirements-dev.lock
	cd dashboards/superset && uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements.lock

clean:
	rm -rf $(VENV) $(SUPERSET)
