#!/bin/sh
# Runs one of package.json's scripts on a copy of ui/ in the cache folder, with the
# pinned Node and packages: run.sh build | check | test | pictures. Nothing is written
# into the checkout, save ui/dist, which the app takes in, and the pictures in docs/images.
set -eu

script="${1:?usage: run.sh build | check | test | pictures}"
shift
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/culvert"
copy="$cache/ui"
node="$(sed -n 's/^CULVERT_PEER_NODE=//p' "$cache/peers/env")"

mkdir -p "$copy"
for part in package.json index.html vite.config.ts svelte.config.js tsconfig.json public src tests; do
    rm -rf "${copy:?}/$part"
    [ ! -e "$here/$part" ] || cp -R "$here/$part" "$copy/"
done
ln -sfn ../peers/ui/node_modules "$copy/node_modules"

cd "$copy"
export CULVERT_CHECKOUT="$here/.."
export PATH="$(dirname "$node"):$PATH"
npm() { "$node" "$(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js" "$@"; }
npm run --silent "$script" -- "$@"

# The same as before stays untouched: the app would be built anew for it.
if [ "$script" = build ] && ! diff -rq dist "$here/dist" >/dev/null 2>&1; then
    rm -rf "$here/dist"
    cp -R dist "$here/dist"
fi
