# Two commands matter: `make app` opens the dashboard, `make test` runs every test. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Two workers: the tests are written for two cores; each worker computes with one thread. Files keep the order of
# tests/conftest.py, the longest proofs first, so that both workers end together.
WORKERS ?= 2
PORT ?=
CHECKED := cl_viz app.py pages sample_models docs benchmarks tests hatch_build.py

.PHONY: help app test lint format docs site bench browser clean

help:
	@echo "make app     open the dashboard on the bundled sample models (PORT=8600 for another port)"
	@echo "make test    set up and run all tests, with a real browser"
	@echo "make lint    ruff check, ruff format --check, mypy --strict"
	@echo "make format  let ruff mend formatting and simple findings"
	@echo "make docs    make the docs pages and the notebooks of the lessons again from the specs"
	@echo "make site    build the documentation site into build/site, with example figures"
	@echo "make bench   time the pass over all pairs against the bare matrix product, losses against other packages, and a recorder"
	@echo "make clean   remove caches and build output (the virtual environment stays)"

app: $(VENV)/.installed
	@exec $(BIN)/cl-viz app $(if $(PORT),--port $(PORT))

# What the children of the tests import is kept compiled, also where the environment says not to.
test: $(VENV)/.installed-dev browser
	OMP_NUM_THREADS=1 CL_VIZ_REQUIRE_BROWSER=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=15

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py
	$(BIN)/python -m docs.lesson_notebooks

# An example figure a diagnostic takes a few minutes; CL_VIZ_SITE_FIGURES=0 leaves them out.
site: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/bench_engine.py
	$(BIN)/python benchmarks/bench_plan.py
	$(BIN)/python benchmarks/bench_queries.py
	$(BIN)/python benchmarks/bench_memory.py
	$(BIN)/python benchmarks/bench_cluster.py
	$(BIN)/python benchmarks/bench_losses.py
	$(BIN)/python benchmarks/bench_diagnostics.py
	$(BIN)/python benchmarks/bench_map.py
	$(BIN)/python benchmarks/bench_recorder.py
	$(BIN)/python benchmarks/bench_encode.py

browser:
	@sh .ci/install_browser

# A virtual environment needs ensurepip, which Debian ships apart (python3-venv); where it is missing, the pip that
# is at hand installs another one into the environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cl_viz needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; }

$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) install -r requirements.txt
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-peers.txt $(VENV)/.installed
	$(PIP) install -r requirements-dev.txt
	$(PIP) install --no-deps -r requirements-peers.txt
	@touch $@

# The packages that losses are timed against, without what they depend on: torch stays as it is.
$(VENV)/.installed-bench: requirements-bench.txt $(VENV)/.installed-dev
	$(PIP) install --no-deps -r requirements-bench.txt
	@touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis screenshots
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
