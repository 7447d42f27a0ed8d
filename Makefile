# `make demo` and `make test` need only Python 3.11 or newer, git and make.
# uv is used where it is installed, and brought into .uv/ of this folder where it is not.
SHELL := /bin/bash
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONDONTWRITEBYTECODE # compiling the same code in each process takes seconds
RUN := $(UV) run --locked --no-sync
PYTEST = $(RUN) pytest --dist loadfile --junitxml=build/tests/$@.xml \
	$(if $(STOP_AT),--stop-at=$(STOP_AT)) $(if $(DURATIONS),--durations=$(DURATIONS))
CODE := spine_assets notebooks benchmarks examples

.PHONY: demo test test-all test-oldest test-newest wheel long cluster cluster-test properties test-postgres test-s3 ui notebook docs lint types defs \
	audit fuzz crash check setup help
.DEFAULT_GOAL := help

help: ## What can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1	/' | expand -t 14

.uv/bin/uv:
	@echo "No uv found: installing one into .uv/"
	@python3 -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check uv

setup: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## Install everything into .venv
	@$(UV) sync --locked $(GROUPS_TOO) --compile-bytecode --quiet

demo: setup ## Load twelve synthetic weeks into data/demo and show them
	@$(RUN) spine demo

test: setup ## Run the tests that need no server, with few examples for each property (minutes)
	@$(PYTEST) -n auto

test-all: ## Run every test, and short versions of fuzz and crash (half an hour and more)
	@.ci/test-all

long: setup ## Part of test-all: the tests that start servers, a browser or many processes
	@$(PYTEST) -n 2 -m 'long and not cluster'

properties: setup ## Part of test-all: the properties of the quick tests, with twelve times as many examples
	@$(PYTEST) -n auto -m 'hypothesis and not long and not cluster' --hypothesis-profile=thorough

# In environments of their own, without a look at uv.lock; uv takes the first Python of the PATH, or UV_PYTHON.
test-oldest test-newest: RUN = env PATH="$(CURDIR)/build/$@-env/bin:$$PATH"
test-oldest: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## Run make test with the oldest packages that pyproject.toml allows
	@$(call environment,lowest-direct,pyproject.toml)
	@$(PYTEST) -n auto

test-newest: build/newest/pyproject.toml $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## Run make test with the newest packages that can be had
	@$(call environment,highest,$<)
	@$(PYTEST) -n auto

build/newest/pyproject.toml: pyproject.toml # without upper bounds
	@mkdir -p $(@D) && sed -E 's/,<[0-9.]+"/"/' $< > $@

wheel: setup ## Build the wheel, and try it in empty environments with the oldest and the newest Python
	@$(PYTEST) -m long spine_assets_tests/project/test_installed.py

cluster: setup ## Start PostgreSQL, Redis, Dagster and two workers on loopback; Ctrl-C stops all
	@$(RUN) python -m spine_assets.dev.local_cluster

# Tests of operations, which ask Dagster's memory; here it is PostgreSQL.
ON_POSTGRES := cli/test_cli.py alerts/test_sensor.py orchestration/history/test_prune.py \
	orchestration/history/test_cancel.py orchestration/history/test_history.py \
	orchestration/test_reconcile.py warehouse/test_core_tables.py warehouse/test_run_tables.py
# Tests of whatever works on a lake; here it is in a bucket.
ON_S3 := abuse/test_conservation.py abuse/test_injection.py dev/compare_backends/test_equality.py \
	maintenance/test_doctor.py maintenance/test_remove_sample.py otc/build/test_corrections.py otc/build/test_week.py \
	otc/build/test_week_range.py otc/checks/test_not_mixed.py otc/captures/test_overdue.py otc/captures/test_pins.py \
	otc/delivery/test_deliveries.py otc/past/test_as_of.py otc/past/test_as_published.py \
	otc/tables/test_restatements.py otc/trace/test_trace.py \
	pipelines/steps/test_conformance.py pipelines/steps/test_table_build.py \
	pipelines/test_assets.py pipelines/test_examples.py pipelines/test_runs.py \
	pipelines/test_tenants.py report/test_figures.py \
	warehouse/test_connection.py

cluster-test: setup ## Part of test-all: the tests that need PostgreSQL, Redis, an S3 server or chdb
	@$(UV) sync --locked --group engines --quiet
	@$(PYTEST) -n 2 -m cluster

test-postgres: setup ## Part of test-all: tests of operations again, with Dagster's history in PostgreSQL
	@$(PYTEST) -n 2 --storage=postgres $(addprefix spine_assets_tests/,$(ON_POSTGRES))

test-s3: setup ## Part of test-all: tests of the lake again, with the lake in a bucket
	@$(PYTEST) -n 2 --lake=s3 $(addprefix spine_assets_tests/,$(ON_S3))

ui: setup ## Start the Dagster UI on loopback
	@$(RUN) spine ui -h 127.0.0.1 -p 3000

notebook: setup ## Open the notebook of charts on loopback
	@$(RUN) marimo run --host 127.0.0.1 notebooks/explore.py

# In an environment of its own: `setup` takes out of .venv what is not in its groups.
docs: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## Build the documentation site into build/site
	@UV_PROJECT_ENVIRONMENT=build/docs-env $(UV) sync --locked --only-group docs --quiet
	@rm -rf build/site
	@build/docs-env/bin/sphinx-build -c docs -b html -n -W --keep-going -q -E -d build/doctrees . build/site
	@echo "Open build/site/index.html"

lint: setup ## Lint, check the format and who imports whom
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports
	@$(MAKE) --no-print-directory _unread

# A DuckDB connection whose result is not read to its end refuses the next query through a relation.
.PHONY: _unread
_unread:
	@! grep -rnE --include='*.py' '\.(fetchone|fetchmany|fetch_df_chunk|to_arrow_reader)\(' $(CODE) | grep -v '# to the end' \
		|| { echo "read a result to its end: fetchall(), or a loop that is marked '# to the end'"; exit 1; }

types: setup ## Check types
	@$(RUN) mypy

defs: setup ## Let Dagster validate the definitions
	@$(RUN) dagster definitions validate
	@$(RUN) dg check defs

audit: setup ## Ask whether a locked package has a known vulnerability
	@UV=$(UV) .ci/audit

FILES ?= 20000
HISTORIES ?= 2000
fuzz: setup ## Deliver 20,000 generated files and 2,000 histories of files, and hold every law (about an hour)
	@$(RUN) python -m spine_assets_tests.abuse.fuzz --files $(FILES)
	@$(RUN) python -m spine_assets_tests.abuse.fuzz_deliveries --histories $(HISTORIES)

KILLS ?= 200
crash: setup ## Kill 200 runs with -9 and look for damage (about an hour)
	@$(RUN) python -m spine_assets_tests.abuse.crash --kills $(KILLS)

check: lint types defs docs test ## What a change must pass before it is pushed: all of these in minutes

# An environment for the target, with the direct dependencies resolved otherwise than in uv.lock.
define environment
mkdir -p build && $(UV) pip compile --quiet --upgrade --resolution $(1) --all-extras --group $(2):dev \
	--group $(2):notebook $(2) -o build/$@.txt \
	&& $(UV) venv --quiet --clear build/$@-env \
	&& $(UV) pip install --python build/$@-env --quiet --no-deps --compile-bytecode -r build/$@.txt -e .
endef
