#!/usr/bin/env bash
# Runs the official SockJS suite, unmodified, from a checkout of
# https://github.com/sockjs/sockjs-protocol against the release binary or any other server.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: official.sh [--runs N] PATH [URL]

  PATH      checkout of sockjs-protocol
  URL       server under test, http://host:port; default: $SOCKJS_URL, else the release binary is started
  --runs N  run the suite N times (default 1)

Environment:
  PYTHON2         a Python 2.7 with pip; default: python2.7 on PATH, then those of pyenv
  SOCKJS_GATEWAY  binary to start; default: target/release/sockjs-gateway of this repository
  SUITE_TIMEOUT   seconds one run of one file may take (default 600)

Exit code: 0 all passed, 1 a test failed or a run broke off, 64 wrong usage or something is missing.
TEXT
}

fail() {
    echo "official.sh: $1" >&2
    exit 64
}

runs=1
arguments=()
while (($#)); do
    case $1 in
        --runs)
            runs=${2:-}
            shift
            (($#)) && shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*) fail "unknown option $1" ;;
        *)
            arguments+=("$1")
            shift
            ;;
    esac
done
[[ $runs =~ ^[1-9][0-9]*$ ]] || fail "--runs needs a number"
if ((${#arguments[@]} < 1 || ${#arguments[@]} > 2)); then
    usage >&2
    exit 64
fi

suite=${arguments[0]}
url=${arguments[1]:-${SOCKJS_URL:-}}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite_timeout=${SUITE_TIMEOUT:-600}
for file in sockjs-protocol.py http-quirks.py; do
    [[ -f $suite/$file ]] || fail "no $file in $suite"
done

is_python2() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' >/dev/null 2>&1
}

find_python2() {
    local candidate
    if [[ -n ${PYTHON2:-} ]]; then
        is_python2 "$PYTHON2" || fail "PYTHON2=$PYTHON2 is not a Python 2.7"
        echo "$PYTHON2"
        return
    fi
    local candidates=(python2.7 python2)
    if command -v pyenv >/dev/null; then
        candidates+=("$(pyenv root)"/versions/2.7*/bin/python2.7)
    fi
    for candidate in "${candidates[@]}"; do
        # A pyenv shim may exist and yet not run.
        if is_python2 "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 2.7 found; set PYTHON2"
}

python=$(find_python2)
packages=${XDG_CACHE_HOME:-$HOME/.cache}/sockjs-protocol-tests/python2.7
export PYTHONPATH=$packages PYTHONDONTWRITEBYTECODE=1
if ! "$python" -c 'import unittest2, websocket, ws4py' >/dev/null 2>&1; then
    echo "installing unittest2, websocket-client and ws4py into $packages"
    mkdir -p "$packages"
    "$python" -m pip install --quiet --disable-pip-version-check --upgrade --target "$packages" \
        unittest2 'websocket-client<1' ws4py
fi

scratch=$(mktemp -d)
gateway=
stop() {
    if [[ -n $gateway ]]; then
        kill "$gateway" 2>/dev/null || true
        wait "$gateway" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap stop EXIT

start_gateway() {
    local binary=${SOCKJS_GATEWAY:-${CARGO_TARGET_DIR:-$here/../target}/release/sockjs-gateway}
    [[ -x $binary ]] || fail "no $binary; build it with cargo build --release, or give a URL"
    "$binary" run --config "$here/gateway.toml" --listen 127.0.0.1:0 >"$scratch/gateway.log" 2>&1 &
    gateway=$!
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        url=$(grep listening "$scratch/gateway.log" | grep -oE 'http://[][A-Za-z0-9.:-]+[0-9]' | head -n 1 || true)
        [[ -z $url ]] || return 0
        kill -0 "$gateway" 2>/dev/null || break
        sleep 0.1
    done
    cat "$scratch/gateway.log" >&2
    fail "the binary ended or logged no line with 'listening' and its address"
}
[[ -n $url ]] || start_gateway
echo "server under test: $url"

# The suite's WebSocket library waits for ever by default; everything else in the suite waits 1 s.
# shellcheck disable=SC2016
wrapper='
import os, runpy, socket, sys
suite = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.dirname(suite))
sys.argv = [suite]
socket.setdefaulttimeout(5)
import websocket
websocket.setdefaulttimeout(5)
runpy.run_path(suite, run_name="__main__")
'

failed=0
# run_file NAME: runs one file of the suite and prints its counts; the report only if it is not clean.
run_file() {
    local log=$scratch/$1.log code=0 ran counts
    SOCKJS_URL=$url timeout --kill-after=5 "$suite_timeout" \
        "$python" -c "$wrapper" "$suite/$1" >"$log" 2>&1 || code=$?
    ran=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' "$log" | tail -n 1)
    counts=$(grep -E '^(OK|FAILED)' "$log" | tail -n 1 || true)
    if ((code == 0)) && [[ ${ran:-0} -gt 0 && $counts == OK* ]]; then
        echo "  $1: $ran passed"
        return
    fi
    failed=1
    cat "$log"
    if ((code == 124 || code == 137)); then
        echo "  $1: broken off after $suite_timeout s"
    else
        echo "  $1: ${ran:-0} ran, ${counts:-exit code $code}"
    fi
}

for ((run = 1; run <= runs; run++)); do
    echo "run $run of $runs"
    run_file sockjs-protocol.py
    run_file http-quirks.py
    # Some tests use named sessions: the suite asks for 5 s between runs.
    if ((run < runs)); then sleep 6; fi
done
if [[ -n $gateway ]] && ((failed)); then
    echo "log of the binary:"
    tail -n 100 "$scratch/gateway.log"
fi
exit "$failed"
