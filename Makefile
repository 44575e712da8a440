# Generative Models, Measured
#
#   make book    build the book (installs what it needs into .venv first)
#   make test    every check that CI makes
#   make help    the other targets

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help book serve test notebooks widgets bench lock colab-check clean

help:
	@echo "make book         build the book into _build/html"
	@echo "make serve        serve the built book at http://127.0.0.1:$(PORT)"
	@echo "make test         format, types, tests, notebooks, book, browser: what CI runs"
	@echo "make notebooks    regenerate every .ipynb from its text source"
	@echo "make widgets      regenerate the live figures' bundles and weights"
	@echo "make bench        measure again what the book prints (slow)"
	@echo "make colab-check  run every notebook against Colab's package versions"
	@echo "make lock         write requirements.lock from the versions in .venv"
	@echo "make clean        remove the built book and its cache"

# One lock, requirements.lock, constrains both environments: `book` is what reading and learning
# need, `dev` adds what the tests need.
.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gencourse needs Python 3.11 or newer; this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv .venv

.venv/.book: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing the book's packages into .venv (some minutes the first time)"
	$(PIP) install --constraint requirements.lock setuptools wheel
	$(PIP) install --constraint requirements.lock --no-build-isolation --editable ".[book,grade]"
	@touch $@

.venv/.dev: .venv/.book
	@echo "Installing the tests' packages into .venv"
	$(PIP) install --constraint requirements.lock --no-build-isolation --editable ".[dev]"
	@touch $@

book: .venv/.book
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-book build . -W -n --keep-going
	@echo "Open _build/html/index.html, or run 'make serve' for the live figures."

serve:
	@echo "The book is at http://127.0.0.1:$(PORT) (Ctrl-C stops)"
	@$(PYTHON) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

test: .venv/.dev
	$(BIN)/python -m tools.test

notebooks: .venv/.dev
	$(BIN)/python -m tools.notebooks

widgets: .venv/.dev
	$(BIN)/python -m tools.widgets

bench: .venv/.dev
	$(BIN)/python -m benchmarks

colab-check: .venv/.dev
	$(BIN)/python -m tools.colab_check

lock:
	$(BIN)/python -m tools.lock

clean:
	rm -rf _build
