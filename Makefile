# Two commands matter: `make demo` and `make test`. Both need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETS := base ml live dev
LOCKS := $(SETS:%=requirements/%.txt)
STAMP := $(VENV)/.installed
CODE := config markets predictions risk trading mlops sandbox
PORT ?= 8000
# Recorded history for tests and benchmarks, where the folder beside this one has it.
ifeq ($(HISTORY_DIR),)
ifneq ($(wildcard ../shared/data),)
export HISTORY_DIR := $(abspath ../shared)
endif
endif
export PYTHONDONTWRITEBYTECODE ?=


.PHONY: demo up test suite torture check static kernels lint format type-check contracts migrations bench bench-markets bench-forecast bench-power bench-money clean lock install

demo: $(STAMP)
	$(BIN)/python manage.py up --demo --port $(PORT)

up: $(STAMP)
	$(BIN)/python manage.py up --port $(PORT)

# Lint, types, contracts, then the suite on SQLite and on PostgreSQL with Redis; says what it lacked.
test: $(STAMP)
	$(MAKE) --no-print-directory -j2 --output-sync static kernels
	$(MAKE) --no-print-directory suite

suite: $(STAMP)
	$(BIN)/python -m tests.suite

# The fast half.
check: static
	$(BIN)/python -m pytest -p no:randomly $(wildcard $(CODE:%=%/core)) tests/architecture

static: lint type-check contracts migrations

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

type-check: $(STAMP)
	$(BIN)/mypy $(CODE)

contracts: $(STAMP)
	$(BIN)/lint-imports

# Compiled where they are not yet, so that no test pays for it within its own time.
kernels: $(STAMP)
	-$(BIN)/python -c 'from predictions.core import features; features.warm()'

migrations: $(STAMP)
	STATE_DIR=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run

# Every figure that the documents quote; one file of `benchmarks/` per area.
bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

# Catalogue, books and storage at full size.
bench-markets: $(STAMP)
	$(BIN)/python benchmarks/run.py storage catalogue stream

# Features, models and the forecasts of a cycle; what it learns of planted worlds takes half an hour.
bench-forecast: $(STAMP)
	$(BIN)/python benchmarks/run.py features context models cycle growth

bench-power: $(STAMP)
	$(BIN)/python benchmarks/run.py power

# Decisions and signatures.
bench-money: $(STAMP)
	$(BIN)/python benchmarks/run.py intents signing

# A thousand kills of whoever sends orders, on both databases: no order doubled, none lost; and ten
# thousand histories of a bad connection, of which the suite lives through two thousand.
torture: $(STAMP)
	FEED_HISTORIES=10000 $(BIN)/python -m pytest tests/markets/test_feed_sequences.py
	$(BIN)/python -m tests.torture --kills 1000

install: $(STAMP)

# uv installs in seconds; where its wheel does not exist, pip does the same with the same hashes.
$(STAMP): requirements/tool.txt $(LOCKS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=python3.11 and remove $(VENV)"; exit 1; }
	if $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tool.txt; then \
		VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --require-hashes $(LOCKS:%=-r %); \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes $(LOCKS:%=-r %); \
	fi
	touch $@

lock: $(STAMP)
	cd requirements && for set in tool base ml live nlp gpu prod dev docs bench; do \
		../$(BIN)/uv pip compile --quiet --no-header --universal --python-version 3.11 \
			--generate-hashes $$set.in -o $$set.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find $(CODE) tests -name __pycache__ -type d -prune -exec rm -rf {} +
