#!/bin/sh
# Writes the locks anew: hashes, no host names, for every platform that Headgate runs on.
set -eu
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --quiet "$@"
}
compile pyproject.toml -o requirements/run.lock
compile pyproject.toml --group dev -c requirements/run.lock -o requirements/test.lock
compile requirements/build.in -o requirements/build.lock
compile requirements/node.in -o requirements/node.lock
compile --no-deps requirements/models.in -o requirements/models.lock
if grep -nE 'https?://' requirements/*.lock; then exit 1; fi
