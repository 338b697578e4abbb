#!/bin/sh
# Builds, tests or serves the web console: `console.sh build|test|dev`. Uses the machine's Node.js, or the one from a wheel.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'headgate: %s\n' "$*" >&2; }

usable() { node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; }

if ! usable; then
    if [ ! -x .venv/bin/node ]; then
        say "installing Node.js into the environment"
        .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --require-hashes --only-binary :all: -r requirements/node.lock
    fi
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
    usable || { say "Node.js 20 or newer is needed to build the console; on Debian: apt-get install nodejs npm"; exit 1; }
fi

cd console
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    say "installing what the console is built with"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
case ${1:-build} in
build) say "building the console" && npm run --silent build ;;
test) npm run --silent lint && npm run --silent check:api && npm test --silent ;;
dev) shift && cd .. && exec .venv/bin/python -m headgate.testing.console "$@" ;;
*) say "console.sh takes build, test or dev" && exit 1 ;;
esac
