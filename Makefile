# Every target works from a fresh clone: the virtual environment is made when absent or older than its two inputs.
# Another interpreter: make test PYTHON=/path/to/python3.12. More pytest options: make test ARGS="-k cohort".

VENV := .venv
BIN  := $(VENV)/bin
SERVE := .venv-serve
DEMO := demo

# Found by running it (a name on the path may be a stub that does not run), and only when an environment is made.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help venv venv-serve demo test test-serve check clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

venv: $(VENV)/.stamp  ## make or update .venv (about 3 GB to download the first time)

venv-serve: $(SERVE)/.stamp  ## make or update .venv-serve, MONAI Label's server with mtseg (Python 3.11, 5 GB)

demo: $(VENV)/.stamp  ## train, predict and report in one small example, into demo/
	rm -rf $(DEMO)
	$(BIN)/mtseg demo --out $(DEMO)
	@find $(abspath $(DEMO)) -name report.html -exec echo 'Report:' {} ';'

test: $(VENV)/.stamp  ## run the tests, on two processes
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 $(ARGS)

test-serve: $(SERVE)/.stamp  ## run the tests of exported apps, on a real server
	OMP_NUM_THREADS=1 $(SERVE)/bin/python -m pytest -m serve tests/export/monai_label $(ARGS)

check: $(VENV)/.stamp  ## lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove caches, builds and demo/ (keeps both environments and runs/)
	rm -rf $(DEMO) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -path './.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.stamp: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "mtseg needs Python 3.11 or newer, and found none." \
		"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is missing or older than Python 3.11." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
		"On Debian or Ubuntu: apt install $$($(PYTHON) -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')" \
		>&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# sam2, which MONAI Label needs, is built against the torch that is there; without CUDA.
$(SERVE)/.stamp: pyproject.toml constraints-serve.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "MONAI Label 0.8.5 needs Python 3.11." \
		"Name it: make venv-serve PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(SERVE)/bin/pip || $(PYTHON) -m venv $(SERVE)
	$(SERVE)/bin/python -m pip install --quiet --no-input --disable-pip-version-check -c constraints-serve.txt \
		setuptools wheel hatchling editables torch torchvision
	SAM2_BUILD_CUDA=0 $(SERVE)/bin/python -m pip install --quiet --no-input --disable-pip-version-check \
		--no-build-isolation -c constraints-serve.txt -e '.[serve]' highdicom hypothesis playwright pytest
	@touch $@
