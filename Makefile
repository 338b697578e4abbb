# Everything a person or CI runs. `make up` and `make test` work on a fresh machine; the rest assumes one of them ran.

.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: up
up: $(VENV)/run.stamp src/headgate/server/static/index.html ## Set up and run Headgate in the foreground
	@exec $(BIN)/headgate up $(UP)

.PHONY: test
test: $(VENV)/test.stamp src/headgate/server/static/index.html ## Set up and run the whole suite, or ARGS of pytest
	@scripts/test.sh $(ARGS)

.PHONY: check
check: $(VENV)/test.stamp ## Style, types, layers and the tests without I/O, within a minute
	@scripts/check.sh

.PHONY: bench
bench: $(VENV)/test.stamp src/headgate/server/static/index.html ## Measure, beside the peers that are installed
	@$(BIN)/python -m benchmarks

.PHONY: console
console: ## Build the web console
	@scripts/console.sh build

.PHONY: console-dev
console-dev: $(VENV)/test.stamp ## Serve the console's sources in front of a Headgate with simulated providers
	@scripts/console.sh dev

.PHONY: lint
lint: $(VENV)/test.stamp ## Types, style and layers
	@scripts/lint.sh

.PHONY: lock
lock: $(VENV)/test.stamp ## Write the locks anew from pyproject.toml
	@scripts/lock.sh

.PHONY: schema
schema: $(VENV)/test.stamp ## Write schema.sql anew from the migrations
	@$(BIN)/python -m headgate.testing.schema

.PHONY: commands
commands: $(VENV)/test.stamp ## Write anew the index and the reference of the commands
	@$(BIN)/python -m headgate.cli.all_commands
	@$(BIN)/headgate manual --markdown > docs/commands.md

.PHONY: budget
budget: $(VENV)/test.stamp ## Write anew how much work a request may be
	@$(BIN)/python -m headgate.testing.work

.PHONY: conformance
conformance: $(VENV)/test.stamp ## Write anew which wires do what with which dialects
	@$(BIN)/python -m tests.gateway.conformance_report

.PHONY: drawing
drawing: $(VENV)/test.stamp ## Draw the imports anew; needs Graphviz
	@$(BIN)/import-linter drawgraph headgate | grep -v '".testing"' | dot -Tsvg > docs/images/imports.svg

.PHONY: clean
clean: ## Remove what was built; data folders stay
	rm -rf $(VENV) console/node_modules src/headgate/server/static

$(VENV)/run.stamp: requirements/run.lock requirements/models.lock requirements/build.lock pyproject.toml
	@scripts/environment.sh run
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements/test.lock
	@scripts/environment.sh test
	@touch $@

src/headgate/server/static/index.html: console/package-lock.json $(shell find console/src console/index.html -type f 2>/dev/null) | $(VENV)/run.stamp
	@scripts/console.sh build
