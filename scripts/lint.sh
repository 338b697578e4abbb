#!/bin/sh
# Style, types and layers.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check src tests benchmarks
.venv/bin/ruff format --check src tests benchmarks
.venv/bin/pyright
.venv/bin/lint-imports --no-cache
if grep -nE 'https?://' requirements/*.lock; then
    echo "headgate: a lock names a host" >&2
    exit 1
fi
for lock in console/package-lock.json tests/e2e/js/package-lock.json; do
    # npm writes funding links into its locks: take them out after each change.
    if grep -nE 'https?://' "$lock"; then
        echo "headgate: $lock names a host" >&2
        exit 1
    fi
done
