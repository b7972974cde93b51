# Everything runs in .venv, which the first target makes; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find tfdomain -type f -not -name '*.pyc') setup.cfg setup.py pyproject.toml README.md LICENSE

# The checkout must not shadow the wheel that is installed and tested.
export PYTHONSAFEPATH := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help install demo experiment bench docs pictures test test-all test-browser lint format checkpoint clean

help:
	@echo "make demo      fine-tune, export and serve a model on the bundled sample"
	@echo "make experiment NAME=banking77   run a study of experiments/README.md (TFDOMAIN_DATA_DIR)"
	@echo "make bench     the comparisons with peers, in an environment of theirs (TFDOMAIN_DATA_DIR; hours)"
	@echo "make docs      the API reference, in docs/reference"
	@echo "make test      the fast tests, against the built wheel"
	@echo "make test-all  the fast tests, and those on the real checkpoint and data (TFDOMAIN_DATA_DIR)"
	@echo "make test-browser  TensorBoard's tabs in headless Chromium (Debian: chromium chromium-driver)"
	@echo "make pictures  the pictures of docs/tensorboard.md, with the same"
	@echo "make lint      ruff and mypy"
	@echo "make clean     remove what these made"

install: $(VENV)/installed

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11 to 3.13 is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The wheel is built afresh: setuptools keeps files in build/ that the sources no longer have.
$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	rm -rf build dist *.egg-info
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m pip install --quiet --upgrade "$$(ls dist/tfdomain-*.whl)[test]"
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/tfdomain-*.whl
	rm -rf build *.egg-info
	@touch $@

checkpoint: install
	@$(BIN)/python experiments/fetch_checkpoint.py

experiment: checkpoint
	@$(BIN)/python experiments/study.py run "$(NAME)"

# The peers stand in environments of their own: none of them is a dependency.
.venv-peers/installed:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet torch==2.13.0 transformers accelerate datasets onnx onnxscript onnxruntime
	@touch $@

.venv-keras-hub/installed:
	$(PYTHON) -m venv .venv-keras-hub
	.venv-keras-hub/bin/pip install --quiet keras-hub tokenizers 'tensorflow==2.21.*' 'tensorflow-text==2.21.*'
	@touch $@

bench: checkpoint .venv-peers/installed .venv-keras-hub/installed
	@$(BIN)/python experiments/benchmarks/all.py --peer .venv-peers/bin/python \
		--keras-hub .venv-keras-hub/bin/python $(BENCH)

demo: checkpoint
	@$(BIN)/python experiments/demo.py

docs: install
	@$(BIN)/python docs/make_reference.py

pictures: checkpoint
	@$(BIN)/python -m pip install --quiet "$$(ls dist/tfdomain-*.whl)[profile]"
	@$(BIN)/python docs/make_pictures.py

# Two processes, a file's tests in one of them: most of the time is TensorFlow's start and its tracing.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile

test: install
	$(PYTEST) -m "not real and not thorough and not browser"

# In three sittings: TensorFlow keeps of what it traced so much that one would end with over 10 GiB in each process.
SITTINGS := models training
test-all: checkpoint
	@failed=0; \
	for room in $(SITTINGS); do $(PYTEST) -m "not browser" tests/$$room || failed=1; done; \
	$(PYTEST) -m "not browser" tests $(SITTINGS:%=--ignore=tests/%) || failed=1; \
	exit $$failed

# Needs Chromium and its driver; without them the tests fail and say so.
test-browser: install
	$(BIN)/pytest -m browser tests/browser

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info runs docs/reference .pytest_cache .mypy_cache .ruff_cache .hypothesis
