#!/bin/sh
# Installs what Culvert is built, shown and tested with: setup.sh demo | test | ui | ui-test | app | package
#
#   demo   a Rust new enough, the crates, mcp-server-time, the Python MCP client
#   test   all of the others, and cargo-nextest, cargo-deny, every peer that the tests talk
#          to, and a desktop without a screen
#   ui     Node and what the window's front end is built with; no Rust needed
#   ui-test  ui, and the browser that it is tested in
#   app    ui, a Rust new enough, the crates, and the libraries that the app is built on
#   package  app, and what makes packages of it
#
# Nothing is assumed but a POSIX shell and Rust. What is already there is left
# alone, so a second run takes about a second. All of it goes to
# ${XDG_CACHE_HOME:-~/.cache}/culvert; the absolute paths of the peers are then in
# peers/env there, one NAME=/path per line.
set -eu

part="${1:-test}"
case "$part" in demo | test | ui | ui-test | app | package) ;; *)
    echo "usage: setup.sh demo | test | ui | ui-test | app | package" >&2
    exit 2
    ;;
esac

here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/culvert"
peers="$cache/peers"
mkdir -p "$peers/bin" "$cache/tools" "$cache/logs"

. "$here/report.sh"
. "$here/machine.sh"
. "$here/peers.sh"

# Two checkouts share one cache; the second waits for the first.
if command -v flock >/dev/null; then
    exec 9>"$cache/setup.lock"
    flock -n 9 || { say "waiting for another setup on this machine" && flock 9; }
fi

if [ "${part%-test}" = ui ]; then
    need_packages
    need_python
    venv node
    front_end
    write_env
    exit
fi

need_rust
need_packages
need_python
fetch_crates
if [ "$part" = app ] || [ "$part" = package ]; then
    venv node
    front_end
    write_env
    exit
fi

venv servers
venv mcp2
if [ "$part" != demo ]; then
    need_rust_components
    cargo_tool nextest "$NEXTEST_PIN" --no-default-features --features default-no-update
    cargo_tool deny "$DENY_PIN"
    venv mcp1
    venv contextforge
    venv contextforge-client
    venv reverse-proxy-client
    venv node
    npm_packages
    front_end
    venv deploy
    helm_library
    program nginx usr/sbin/nginx nginx nginx-light
    program caddy usr/bin/caddy caddy
    program tinyproxy usr/bin/tinyproxy tinyproxy-bin
    program microsocks usr/bin/microsocks microsocks
    program promtool usr/bin/promtool prometheus
fi
write_env
