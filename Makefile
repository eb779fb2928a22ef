# make demo | test | check | bench | studies. Each sets up .venv by itself where it is missing or older than its recipe.
#   PYTHON=python3.12           the interpreter the environment is made with (3.11 or newer)
#   PIP_ARGS="--index-url ..."  handed to pip, for instance to ask for a CPU build of torch
#   QUICK=1                     a short demo, the short version of every study (in a temporary folder)
#   OUT=folder                  where studies go instead of out/
#   ARGS="-k name"              handed to pytest; for bench the groups, e.g. ARGS="noise matrix"

PYTHON ?= python3
PIP_ARGS ?=
ARGS ?=
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# One thread a process: tests, workers and benchmarks share the cores between processes.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: demo test check bench studies venv clean
# An interrupted set-up leaves no half environment that looks whole.
.DELETE_ON_ERROR:

venv: $(STAMP)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "thermohw needs Python 3.11 or newer; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(PY)
	@echo "setting up $(VENV) (about a minute)"
	@$(PY) -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(PY) -m thermohw.pipeline.demo $(if $(QUICK),--quick)

# Stealing leaves neighbours on one worker, so that what a module shares is made once.
test: $(STAMP)
	@THERMOHW_WORKERS=$${THERMOHW_WORKERS:-1} $(PY) -m pytest -n 2 --dist worksteal $(ARGS)

check: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports
	$(PY) -m pyright

# Every shipped study, one after another; all are run even where one fails.
STUDIES := $(filter-out shared,$(notdir $(patsubst %/__init__.py,%,$(wildcard experiments/*/__init__.py))))
studies: $(STAMP)
	@folder="$(if $(QUICK),$(OUT),$(or $(OUT),out))"; failed=""; \
	if [ -z "$$folder" ]; then folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; fi; \
	for name in $(STUDIES); do \
	  echo "-- $$name"; begun=$$(date +%s); \
	  $(PY) -m thermohw experiment run $$name $(if $(QUICK),--quick) --out "$$folder/$$name$(if $(QUICK),-quick)" \
	    || failed="$$failed $$name"; \
	  echo "-- $$name took $$(($$(date +%s) - begun)) s"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

# The peers that benchmarks compare with live in an environment of their own.
PEERS := $(VENV)-peers
$(PEERS)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable . \
	  torchsde diffrax jax thermox randomgen
	@touch $@

bench: $(PEERS)/.installed
	@$(PEERS)/bin/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info out
