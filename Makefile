# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# every process that is started would compile the package anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-unit soak lint bench bench-train bench-evaluate lock clean

demo: $(READY)  ## the whole path on real digits, in about three minutes on two idle cores
	$(BIN)/ganops demo demo

# two processes test side by side, in one thread each: what waits for a server leaves its core to the other
SIDE_BY_SIDE := -n 2 --no-loadscope-reorder

test: lint  ## lint, types, import contracts, then every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-unit: $(READY)  ## without vendors and without long trainings
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/unit

soak: $(READY)  ## races and crashes at length, about half an hour; prints the figures of docs/reliability.md
	GANOPS_SOAK=1 $(BIN)/python -m pytest -q tests/promotion/test_races.py tests/promotion/test_crashes.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## speed and memory, as a table; SHARED=… adds Fashion-MNIST
	$(BIN)/python -m benchmarks

bench-train: $(READY)  ## images per second in training, beside the usual loops
	$(BIN)/ganops bench train

bench-evaluate: $(READY)  ## seconds and memory in evaluation, beside the usual ways to the same numbers
	$(BIN)/ganops bench evaluate

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("GanOps needs Python 3.11 or newer, and this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

lock: $(READY)  ## resolve anew; this package itself and torch's local build tag are not pinned
	$(BIN)/pip-compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --strip-extras --allow-unsafe --extra all --extra dev --output-file requirements.lock pyproject.toml
	sed -i -e '/^ganops @/d' -e '/^#/d' -e '/^$$/d' -e 's/^\(torch==[0-9.]*\)+.*/\1/' requirements.lock

clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
