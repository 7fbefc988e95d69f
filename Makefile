# Everything sets up what it needs: a virtual environment in .venv, the package built into it, the test peers from npm.

PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

RUST_SOURCES := $(shell find src -name '*.rs' -o -name 'Cargo.toml') Cargo.toml Cargo.lock
PYTHON_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi')

.PHONY: demo test test-rust test-python test-integrations bench bench-full lint format notebooks docs clean

# Runs the main job on the sandbox, with a generated file of several organizations.
demo: $(VENV)/.built
	$(BIN)/workos-importer demo

test: test-rust test-python

test-rust:
	cargo test --workspace --locked --quiet

test-python: $(VENV)/.built tests/node/node_modules/.installed
	$(BIN)/python -m pytest tests/python tests/peers

# Airflow 3, Airflow 2 and Dagster, each in an environment of its own under build/, with the wheel of the same build.
test-integrations: build/wheels/.built
	$(BIN)/python tests/integrations/environments.py

build/wheels/.built: $(VENV)/.built
	rm -rf build/wheels
	. $(BIN)/activate && maturin build --locked --quiet --profile dev --strip --out build/wheels
	touch $@

# Ratios measured in one run; writes benches/RESULTS.md.
bench: $(VENV)/.tools
	$(BIN)/python benches/run.py

# The long forms too: a million rows through everything.
bench-full: $(VENV)/.tools
	$(BIN)/python benches/run.py --full

lint: $(VENV)/.built
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	$(BIN)/ruff check python tests benches examples notebooks docs
	$(BIN)/ruff format --check python tests benches examples notebooks docs
	$(BIN)/mypy

format: $(VENV)/.tools
	cargo fmt --all
	$(BIN)/ruff check --fix python tests benches examples notebooks docs
	$(BIN)/ruff format python tests benches examples notebooks docs

# Runs the notebooks and stores what they show.
notebooks: $(VENV)/.built
	$(BIN)/python tests/python/books.py

# The reference is made out of the package and its commands.
docs: $(VENV)/.built
	$(BIN)/mkdocs build --strict --site-dir build/docs
	cargo doc --workspace --no-deps --locked --quiet

$(VENV)/.tools: tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# One build for tests, lints and the demo: the development profile, which cargo test uses too.
$(VENV)/.built: $(VENV)/.tools $(RUST_SOURCES) $(PYTHON_SOURCES)
	. $(BIN)/activate && maturin develop --locked --quiet
	touch $@

tests/node/node_modules/.installed: tests/node/package-lock.json
	npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund
	touch $@

clean:
	rm -rf target $(VENV) build tests/node/node_modules
