#!/bin/sh
# What must hold before each commit, in under a minute on two cores: style, types, layers, and the tests without I/O.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/pyright --level error >/tmp/headgate-check.$$ 2>&1 &
types=$!
trap 'kill "$types" 2>/dev/null || true; rm -f /tmp/headgate-check.$$' EXIT
.venv/bin/ruff check src tests benchmarks
.venv/bin/ruff format --check src tests benchmarks
.venv/bin/lint-imports --no-cache >/dev/null || .venv/bin/lint-imports --no-cache
.venv/bin/pytest -q tests/kernel tests/wire tests/repo
wait "$types" || { cat /tmp/headgate-check.$$; exit 1; }
