# `make demo`, `make test`, `make setup`: see README.md.

PYTHON ?= python3
VENV := .venv
SUPERSET := .venv-superset
PEERS := dlt pyairbyte script singer
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
DUCKDB_SUITES := warehouse marts ingestion bi
PIP := $(VENV)/bin/pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-deps --require-hashes

.PHONY: demo superset setup test test-lowest test-duckdb2 test-superset bench bench-lock lock format clean

demo: setup
	$(VENV)/bin/pso demo $(ARGS)

# The check comes first, because the installation of Superset takes minutes.
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
	$(VENV)/bin/dg check defs
	$(VENV)/bin/pytest --numprocesses=auto $(ARGS)

# The lowest versions that pyproject.toml admits; takes Python 3.11 or 3.12, for which numpy 1.26 has wheels.
test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/pytest pso_pipeline_tests/project/test_smoke.py $(ARGS)

# The next major version of DuckDB, with the suites that use it most.
test-duckdb2: .venv-duckdb2/.installed
	.venv-duckdb2/bin/pytest --numprocesses=auto $(DUCKDB_SUITES:%=pso_pipeline_tests/%) $(ARGS)

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

.venv-lowest/.installed: requirements-lowest.lock pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	.venv-lowest/bin/pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The DuckLake extensions exist for 1.5 only.
.venv-duckdb2/.installed: requirements-dev.lock requirements-duckdb2.lock pyproject.toml
	$(PYTHON) -m venv .venv-duckdb2
	.venv-duckdb2/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements-dev.lock
	.venv-duckdb2/bin/pip --disable-pip-version-check uninstall --quiet --yes \
		duckdb-extension-ducklake duckdb-extension-postgres-scanner
	.venv-duckdb2/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
		-r requirements-duckdb2.lock
	.venv-duckdb2/bin/pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Superset has its own environment, because it needs SQLAlchemy 1.4.
$(SUPERSET)/bin/python:
	$(PYTHON) -m venv $(SUPERSET)

$(SUPERSET)/.ready: dashboards/superset/requirements.lock | $(SUPERSET)/bin/python
	@echo "Installing Superset into $(SUPERSET), once: about two minutes ..."
	$(SUPERSET)/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	touch $@

# Measures the pipeline and other tools, each in its own environment; writes docs/performance.md.
bench: $(VENV)/.development $(PEERS:%=.venv-bench-%/.installed)
	$(VENV)/bin/python -m benchmarks $(ARGS)

.venv-bench-%/.installed: benchmarks/peers/requirements-%.lock
	$(PYTHON) -m venv .venv-bench-$*
	.venv-bench-$*/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	touch $@

# Needs uv, as does `lock`.
bench-lock:
	for peer in $(PEERS); do \
		$(COMPILE) benchmarks/peers/requirements-$$peer.in -o benchmarks/peers/requirements-$$peer.lock || exit 1; \
	done

# Needs uv. The locks contain hashes and no address of an index.
lock:
	$(COMPILE) pyproject.toml --extra build --extra ducklake -o requirements.lock
	$(COMPILE) pyproject.toml --extra build --extra distributed -c requirements.lock -o requirements-distributed.lock
	$(COMPILE) pyproject.toml --extra build --extra distributed --extra dev --extra smoke \
		-c requirements-distributed.lock -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra build --extra smoke --resolution lowest-direct --upgrade -o requirements-lowest.lock
	echo "duckdb>=2.0.1,<3" | $(COMPILE) - --no-deps -o requirements-duckdb2.lock
	cd dashboards/superset && $(COMPILE) requirements.in -o requirements.lock

clean:
	rm -rf $(VENV) $(SUPERSET) .venv-lowest .venv-duckdb2
