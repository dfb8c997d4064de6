#!/bin/sh
# Writes the lock files again from pins/*.in and the folders with a package.json. Run it
# after changing a pin; the result is committed. Needs the network and `make setup`.
set -eu
cd "$(dirname "$0")"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/culvert"

uv="$cache/tools/uv"
[ -x "$uv/bin/uv" ] || {
    python3 -m venv "$uv"
    "$uv/bin/pip" install --quiet "$(cat pins/uv.txt)"
}

# One lock for every Python that setup.sh accepts: markers stay, versions are exact.
for pins in pins/*.in; do
    "$uv/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 \
        --no-annotate --no-header "$pins" -o "${pins%.in}.txt"
done

# `resolved` would record the address of this machine's registry mirror; the
# integrity hashes, which do protect, stay.
. "$cache/peers/env"
tree="$(dirname "$CULVERT_PEER_NODE")/.."
for folder in node conformance bridges ../../ui; do
    rm -f "$folder/package-lock.json"
    NODE_USE_SYSTEM_CA=1 PATH="$tree/bin:$PATH" "$CULVERT_PEER_NODE" "$tree/lib/node_modules/npm/bin/npm-cli.js" \
        install --prefix "$folder" --package-lock-only --ignore-scripts \
        --omit-lockfile-registry-resolved --no-audit --no-fund
done
