#!/bin/sh
# The whole suite: lint, types, layers, the console's own tests, then pytest with a real browser.
set -eu
cd "$(dirname "$0")/.."

browser=
for candidate in chromium chromium-browser google-chrome; do
    command -v "$candidate" >/dev/null 2>&1 && browser=$candidate && break
done
if [ -z "$browser" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "headgate: installing Chromium for the browser tests" >&2
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    else
        echo "headgate: the browser tests need Chromium; on Debian: sudo apt-get install chromium" >&2
        exit 1
    fi
fi

scripts/lint.sh
scripts/console.sh test
[ $# -eq 0 ] || exec .venv/bin/pytest "$@"

# What must be right runs in these tests' own process; watching the rest of the suite would only make it slower.
# The rest runs at the same time, because it mostly waits for browsers and processes. Its output comes at the end.
watched='tests/kernel tests/wire tests/policy tests/ledger tests/guard tests/gateway tests/server tests/substrate'
rest=$(mktemp)
trap 'kill "$beside" 2>/dev/null || true; rm -f "$rest"' EXIT
# A shell starts what runs beside it with Ctrl-C ignored, but some tests interrupt a command.
interruptible='import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])'
# shellcheck disable=SC2046
.venv/bin/python -c "$interruptible" .venv/bin/pytest $(printf ' --ignore=%s' $watched) >"$rest" 2>&1 &
beside=$!
# shellcheck disable=SC2086 # folders without blanks
{ .venv/bin/pytest --cov --cov-report= $watched && .venv/bin/python scripts/coverage.py; } && ok=true || ok=false
wait "$beside" || ok=false
cat "$rest"
$ok
