#!/bin/sh
# Installs the clients that Culvert is measured against, each into a venv of its own
# under ${XDG_CACHE_HOME:-~/.cache}/culvert/peers/bench. What is there already stays.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
pins="$here/../tests/setup/pins"
peers="${XDG_CACHE_HOME:-$HOME/.cache}/culvert/peers/bench"
# ContextForge 1.0.7 runs on Python 3.11 to 3.13.
python="${CULVERT_PYTHON:-python3}"

"$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || {
    echo "bench: $python is not a Python 3.11, 3.12 or 3.13 with venv" >&2
    echo "  → name one: CULVERT_PYTHON=/path/to/python3.12 bench/setup.sh" >&2
    exit 1
}

# install NAME: what pins/NAME.txt lists. The stamp is written last, so that an install
# that was cut short is made again.
install() {
    stamp="$({ cat "$pins/$1.txt" && "$python" -VV && echo "$python"; } | sha256sum)"
    [ "$(cat "$peers/$1/.stamp" 2>/dev/null)" = "$stamp" ] && return
    echo "bench: installing $(paste -s -d ' ' "$pins/$1.in")" >&2
    rm -rf "${peers:?}/$1"
    "$python" -m venv "$peers/$1"
    "$peers/$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins/$1.txt"
    echo "$stamp" >"$peers/$1/.stamp"
}

mkdir -p "$peers"
install reverse-proxy-client
install contextforge-client
