# Two commands do everything on a fresh machine: `make report` and `make test`.
# The environment is made once, from the lock of the Python at hand, and again when the lock changes.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
TAG    := $(shell $(PYTHON) -c 'import sys; print("py%d%d" % sys.version_info[:2])')
LOCK   := locks/$(TAG).txt
READY  := $(VENV)/.installed-$(TAG)
OUT    ?= output
JOBS   ?= 2

# Numeric libraries must not each take every core: the work is spread over processes instead.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: page report test coverage lab bench calibrate lint lock environment install clean help

help:
	@echo "make report     reports for every area of the synthetic data, into $(OUT)/"
	@echo "make test       the tests (real data too, where SVMODEL_REAL_DATA says where they are)"
	@echo "make coverage   the tests again, slower, and which branches of each room they take"
	@echo "make lab        JupyterLab on the notebooks"
	@echo "make bench      timings beside the peers; make calibrate: coverage by simulation (both take long)"
	@echo "make page       the tables of docs/study-file.md, from the models that read study files"
	@echo "make lint       ruff and mypy; make lock: renew the locks; make environment: renew environment.yml"

install: $(READY)

$(LOCK):
	@echo "There is no lock for $(TAG). svmodel needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2
	@exit 2

$(READY): $(LOCK) pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --no-deps --require-hashes --requirement $(LOCK)
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

report: $(READY)
	$(PY) -m svmodel run pipelines/demo_bayes.yaml --out $(OUT) --jobs $(JOBS)
	$(PY) -m svmodel run pipelines/demo.yaml --out $(OUT) --jobs $(JOBS)

# Each worker begins with a stretch of neighbouring tests, so that what a module shares is made once.
test: $(READY)
	$(PY) -m pytest -n $(JOBS) --dist worksteal

# Apart from `make test`, which it would slow down. A process that a test kills may leave half a file: it is not counted.
coverage: $(READY)
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -n $(JOBS)
	$(PY) -m coverage combine --quiet
	rm -f .coverage.*
	$(PY) tests/coverage_floors.py

lab: $(READY)
	$(VENV)/bin/jupyter lab --notebook-dir=notebooks

lint: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(READY)
	$(PY) -m pip install --quiet --no-deps --require-hashes --requirement locks/bench-py311.txt
	$(PY) benchmarks/run_all.py

calibrate: $(READY)
	$(PY) benchmarks/calibrate.py
	$(PY) benchmarks/calibrate_inference.py
	$(PY) benchmarks/calibrate_estimators.py
	$(PY) benchmarks/calibrate_series.py
	$(PY) benchmarks/calibrate_large_area.py
	$(PY) benchmarks/calibrate_joint_tests.py
	$(PY) benchmarks/calibrate_clusters.py --panels 200 --jobs $(JOBS)
	$(PY) benchmarks/calibrate_bayes.py
	$(PY) benchmarks/calibrate_bayes_series.py
	$(PY) benchmarks/calibrate_checks.py
	$(PY) benchmarks/page_truth.py
	$(PY) docs/quote_calibration.py
	$(PY) -m pytest -m long

lock:
	$(PYTHON) locks/make_locks.py

page: $(READY)
	$(PY) docs/make_tables.py

environment: $(READY)
	$(PY) locks/make_environment.py

clean:
	rm -rf $(VENV) $(OUT)
