# Each target works on a fresh machine that has git, make and Python 3.11 or newer.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check schema bench lock

BIN := .venv/bin
INSTALLED := .venv/.installed
PORT ?= 8000

help: ## Shows this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 16

$(INSTALLED): .lock/develop.txt .lock/install .lock/venv pyproject.toml
	@./.lock/install

demo: $(INSTALLED) ## Starts the store, five sandbox systems and the gateway (PORT=8000); Ctrl-C stops all
	@exec $(BIN)/attachment-gateway demo --port $(PORT)

test: $(INSTALLED) ## Runs the tests, but the slow ones
	@$(BIN)/pytest -n 2 -m "not slow"

check: $(INSTALLED) ## Checks style, types, imports, and that schema.graphql is what the code says
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/attachment-gateway schema >.venv/schema.graphql
	@diff -u schema.graphql .venv/schema.graphql || { echo "schema.graphql is stale: run make schema"; exit 1; }

schema: $(INSTALLED) ## Prints the schema into schema.graphql
	@$(BIN)/attachment-gateway schema >.venv/schema.graphql
	@mv .venv/schema.graphql schema.graphql

bench: $(INSTALLED) ## Measures into .bench/report.md (PARTS, REPS, SERVERS, QUERIES, CONCURRENCY: tests/benchmark/README.md)
	@$(BIN)/python -m tests.benchmark

lock: ## Writes the lock files anew (UPGRADE=1: with the newest versions)
	@./.lock/update
