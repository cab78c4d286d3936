# Every command works alone and twice: the set-up in .venv happens when it is needed.
# By hand: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt, then the commands below without make.

PYTHON ?= python3
OUT ?= outputs/picturebook
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: help setup loop test lab bench lint clean

help:
	@echo "make loop    the whole loop on the embedded world, two iterations, into $(OUT)"
	@echo "make test    all tests"
	@echo "make lab     JupyterLab in notebooks/"
	@echo "make bench   speed of evaluation and training, as ratios"
	@echo "make lint    ruff"
	@echo "make clean   removes .venv and caches; outputs stay"

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "error: $(PYTHON) is older than Python 3.10; name another: make PYTHON=python3.11 ..."; exit 1; }
	@echo "setting up $(VENV): $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install -r requirements.txt"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $(READY)

loop: $(READY)
	$(RUN) -m dataengine_utils.loop run --profile picturebook --iterations 2 --out $(OUT)

test: $(READY)
	$(RUN) -m pytest $(TESTS)

lab: $(READY)
	$(RUN) -m jupyterlab --notebook-dir=notebooks $(LAB)

bench: $(READY)
	$(RUN) -m tests.bench

lint: $(READY)
	$(RUN) -m ruff check .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
