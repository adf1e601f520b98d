# `make` alone prints what there is. scripts/install.py makes each environment.

PYTHON ?= python3
SUPERSET := .venv-superset
PEERS := dlt pyairbyte script singer
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
STORE_SUITES := ingestion marts warehouse/test_checks.py
DUCKDB_SUITES := warehouse marts ingestion bi
NEWEST := dagster dagster-webserver dagster-duckdb dagster-dg-cli duckdb
# their wheels hold what DuckDB 1.5 loads, and no other version of it
EXTENSIONS := duckdb-extension-ducklake duckdb-extension-postgres-scanner duckdb-extension-httpfs
BIN := .venv/bin
INSTALL := @$(PYTHON) scripts/install.py

.PHONY: help demo test-dbt superset setup development test test-fast test-stores test-lowest test-wheel test-newest test-duckdb2 test-superset test-semantic docs
.PHONY: generated pictures bench bench-lock lock format clean

help:  ## print this
	@echo "make TARGET [ARGS=…] [PYTHON=python3.12]"
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*  ## /\1|/p' Makefile | awk -F '|' '{ printf "  %-14s %s\n", $$1, $$2 }'

demo: setup  ## run the pipeline against the sandbox API and serve the web UI; ARGS=--once stops after the load
	@$(BIN)/pso demo $(ARGS)

setup:  ## make .venv with what the pipeline needs
	$(INSTALL) .venv requirements.lock --project

development:  ## make .venv with what the tests need too
	$(INSTALL) .venv requirements.lock requirements-dev.lock --project

test: development  ## run every check: formatting, lint, layers, types, Dagster's validation, all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/dagster definitions validate -w workspace.yaml
	$(BIN)/dg check defs
	$(BIN)/python scripts/site.py
	$(BIN)/pytest --numprocesses=auto $(ARGS)

FAST := marts/test_cases.py mews/test_errors.py mews/test_requests.py mews/test_tokens.py project/test_pages.py \
	project/test_words.py project/test_names.py project/test_dependencies.py report/test_compiled.py

test-fast: development  ## run lint and the quick tests, in less than a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pytest --quiet --exitfirst --numprocesses=auto $(FAST:%=pso_pipeline_tests/%) $(ARGS)

# `make test` runs those marked with `stores` there. A lake is slow to write to: this takes an hour and a half.
test-stores: development  ## run all tests of ingestion, marts and checks on lakes, with their files on disk and on S3
	for store in lake s3; do \
		PSO_TEST_EXAMPLES=5 $(BIN)/pytest --numprocesses=auto --store=$$store $(STORE_SUITES:%=pso_pipeline_tests/%) $(ARGS) || exit 1; \
	done

# numpy 1.26, the lowest version, has wheels for Python 3.11 and 3.12 only.
test-lowest:  ## run the smoke tests with the lowest versions that pyproject.toml admits
	$(INSTALL) .venv-lowest requirements-lowest.lock --project
	.venv-lowest/bin/pytest pso_pipeline_tests/project/test_smoke.py $(ARGS)

test-wheel:  ## build the wheel and try it in an empty environment outside the checkout
	$(INSTALL) .venv-wheel requirements.lock
	@rm -rf build/dist; mkdir -p build
	.venv-wheel/bin/python -m build --no-isolation --outdir build/dist . >build/build.log
	@.venv-wheel/bin/python scripts/try_wheel.py build/dist .venv-wheel

# What the next versions break is known before they are admitted; needs uv.
test-newest:  ## run the tests on the newest Dagster and DuckDB, whatever pyproject.toml admits
	$(INSTALL) .venv-newest requirements-dev.lock --project --remove $(EXTENSIONS)
	uv pip install --quiet --python .venv-newest/bin/python --upgrade $(NEWEST)
	.venv-newest/bin/pytest --numprocesses=auto pso_pipeline_tests/project/test_smoke.py \
		$(addprefix pso_pipeline_tests/,$(DUCKDB_SUITES) orchestration) $(ARGS)

test-duckdb2:  ## run the tests that use DuckDB most on its next major version
	$(INSTALL) .venv-duckdb2 requirements-dev.lock requirements-duckdb2.lock --project \
		--remove $(EXTENSIONS)
	.venv-duckdb2/bin/pytest --numprocesses=auto $(DUCKDB_SUITES:%=pso_pipeline_tests/%) $(ARGS)

# MetricFlow and the Data Contract CLI need versions of their own of what the project uses.
test-semantic: development  ## run the tests of the semantic models in MetricFlow and the Data Contract CLI
	$(INSTALL) .venv-semantic pso_pipeline_tests/semantic/requirements.lock
	$(BIN)/pytest -m semantic pso_pipeline_tests/semantic $(ARGS)

test-superset: development superset-environment  ## run the tests of the dashboard in Superset itself
	$(BIN)/pytest -m superset pso_pipeline_tests/superset $(ARGS)

# The check comes first, because the installation of Superset takes minutes.
superset: setup  ## serve a Superset dashboard over the snapshot
	@$(BIN)/python dashboards/superset/start.py --check $(ARGS)
	@$(MAKE) --no-print-directory --silent superset-environment
	@$(SUPERSET)/bin/python dashboards/superset/start.py $(ARGS)

# Superset has its own environment, because it needs SQLAlchemy 1.4.
.PHONY: superset-environment
superset-environment:
	$(INSTALL) $(SUPERSET) dashboards/superset/requirements.lock

docs: development  ## build the site of the documentation in build/site; fails on a link that leads nowhere
	@$(BIN)/python scripts/site.py

pictures: development  ## take the pictures of the report and of the web UI again, from a fixed seed and clock
	@PYTHONPATH=. $(BIN)/python scripts/pictures.py

generated: development  ## write every generated file again: reference, metrics, data dictionary, Superset's data sets, semantic models
	@$(BIN)/python -m pso_pipeline.bi.documentation docs
	@$(BIN)/python -m pso_pipeline.bi.superset dashboards/superset
	@$(BIN)/python -m pso_pipeline.bi.semantic.files
	@$(BIN)/python scripts/reference.py docs

test-dbt:  ## build the dbt example over the snapshot of the demo, in an environment of its own
	$(INSTALL) .venv-dbt examples/dbt/requirements.lock
	cd examples/dbt && DBT_TARGET_PATH=../../build/dbt/target DBT_LOG_PATH=../../build/dbt/logs \
		../../.venv-dbt/bin/dbt build --profiles-dir . $(ARGS)

format: development  ## mend formatting and what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Measures the pipeline and other tools, each in its own environment; writes docs/performance.md.
bench: development $(PEERS:%=bench-%)  ## measure the pipeline and other tools; writes docs/performance.md
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: $(PEERS:%=bench-%)
$(PEERS:%=bench-%): bench-%:
	$(INSTALL) .venv-bench-$* benchmarks/peers/requirements-$*.lock

bench-lock:  ## resolve the packages of the other tools again; needs uv
	for peer in $(PEERS); do \
		$(COMPILE) benchmarks/peers/requirements-$$peer.in -o benchmarks/peers/requirements-$$peer.lock || exit 1; \
	done

# The locks contain hashes and no address of an index.
lock:  ## resolve the packages again; needs uv
	$(COMPILE) pyproject.toml --extra build --extra ducklake -o requirements.lock
	$(COMPILE) pyproject.toml --extra build --extra distributed -c requirements.lock -o requirements-distributed.lock
	$(COMPILE) pyproject.toml --extra build --extra ducklake --extra postgres -c requirements-distributed.lock \
		-o requirements-postgres.lock
	$(COMPILE) pyproject.toml --extra build --extra distributed --extra dev --extra smoke \
		-c requirements-distributed.lock -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra build --extra smoke --resolution lowest-direct --upgrade -o requirements-lowest.lock
	echo "duckdb>=2.0.1,<3" | $(COMPILE) - --no-deps -o requirements-duckdb2.lock
	cd dashboards/superset && $(COMPILE) requirements.in -o requirements.lock
	$(COMPILE) examples/dbt/requirements.in -o examples/dbt/requirements.lock
	cd pso_pipeline_tests/semantic && $(COMPILE) requirements.in -o requirements.lock

clean:  ## remove every environment and what was built
	rm -rf .venv .venv-* build
