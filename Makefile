# Everything happens in a virtual environment in .venv, which is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Test processes. One for each core; each takes up to 3 GB of memory.
JOBS ?= 2
PARALLEL := -n $(JOBS) --dist loadfile
# Costs about a third of the processor time on Python 3.11; `make check COVERAGE=` goes without.
COVERAGE := --cov --cov-report=term
# Has an environment of its own: what it needs must not change ours.
AUDIT := .venv-audit

.PHONY: help demo video test check soak audit lint lint-page fix build

help:                  ## list these targets
	@grep -E '^[a-z-]+: .*##' Makefile | sed -E 's/:.*## */	/' | expand -t 12

demo: $(VENV)/app      ## install the app and open its page on http://127.0.0.1:7860
	$(BIN)/python app.py

video: $(VENV)/app     ## make one video from the command line
	$(BIN)/python -m t2v generate --prompt "a squirrel jumping over the snow field" \
		--chunks 8 --out video.mp4 --force

test: $(VENV)/dev      ## run the quick tests
	$(BIN)/python -m pytest $(PARALLEL)

check: $(VENV)/dev lint  ## run what CI runs: lint, and every test but the soak tests, with coverage
	$(BIN)/python -m pytest $(PARALLEL) -m "not soak" $(COVERAGE) $(RERUNS)

soak: $(VENV)/dev      ## run the soak tests: hundreds of runs in a row, one test at a time
	$(BIN)/python -m pytest -m soak

audit: $(AUDIT)/bin/pip-audit  ## look up known weaknesses of the pinned libraries; needs a network
	grep -v '^pillow==' requirements.txt > $(AUDIT)/requirements.txt
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r $(AUDIT)/requirements.txt
	@echo "Of pillow, which moviepy keeps at this version (SECURITY.md, Libraries):"
	@grep '^pillow==' requirements.txt > $(AUDIT)/requirements.txt
	-$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r $(AUDIT)/requirements.txt

lint: $(VENV)/dev lint-page  ## check style, spelling, types, imports and the front-end
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

lint-page:             ## check the page's scripts and styles; needs Node.js
	@if command -v npm > /dev/null; \
	then $(MAKE) --no-print-directory node_modules/.package-lock.json && npm run --silent lint; \
	else echo "Node.js is not installed: the page's scripts and styles are not checked."; fi

fix: $(VENV)/dev       ## fix style and imports where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(VENV)/dev     ## build the wheel in dist/
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

$(VENV)/app: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e .
	touch $@

$(VENV)/dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e ".[dev]"
	touch $@ $(VENV)/app

$(AUDIT)/bin/pip-audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet pip-audit==2.10.1

node_modules/.package-lock.json: package-lock.json
	npm ci --silent --no-audit --no-fund
	touch $@
