# Everything happens in a virtual environment in .venv, made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo video test check lint fix

demo: $(VENV)/app      ## install and open the page on http://127.0.0.1:7860
	$(BIN)/python app.py

video: $(VENV)/app     ## one video from the command line
	$(BIN)/python -m t2v generate --prompt "a red star moving left on a navy background" \
		--chunks 8 --out video.mp4 --force

test: $(VENV)/dev      ## the quick tests
	$(BIN)/python -m pytest

check: $(VENV)/dev lint  ## what CI runs: lint, and all tests with the slow and the browser ones
	$(BIN)/python -m pytest -m ""

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fix: $(VENV)/dev       ## mend what can be mended by a machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/app: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)/dev: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@ $(VENV)/app
