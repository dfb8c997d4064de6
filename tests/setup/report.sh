# shellcheck shell=sh
# How setup.sh talks: one line for what is done, one line for what failed and what
# to do about it. The full output of every step goes to a log file.

say() { echo "setup: $*"; }

# fail WHAT HAPPENED, WHAT TO DO
fail() {
    echo "setup: $1" >&2
    echo "  → $2" >&2
    exit 1
}

# attempt LABEL PLACE COMMAND...: runs the command quietly and says how long it
# took; PLACE is what it downloads from. A failure for want of a network is told
# apart from the rest, because it is the usual one and has its own remedy.
attempt() {
    label="$1" place="$2"
    shift 2
    log="$cache/logs/${label%%[: ]*}.log"
    begun="$(date +%s)"
    if "$@" </dev/null >"$log" 2>&1; then
        say "$label ($(($(date +%s) - begun)) s)"
        return
    fi
    if grep -qiE "$UNREACHABLE" "$log"; then
        fail "$label: no network: $place cannot be reached" \
            "connect this machine (or set its proxy or registry mirror) and run the same command again; log: $log"
    fi
    reason="$(grep -iE 'error|^E:' "$log" | grep -v 'complete log' | tail -n 1)"
    reason="$(echo "${reason:-$(tail -n 1 "$log")}" | tr -d '[:cntrl:]' | cut -c 1-300)"
    fail "$label: ${reason:-failed without a word}" "the whole output is in $log"
}

# What cargo, pip, npm, apt and uv print when they cannot reach their registry.
UNREACHABLE='could ?n.t (resolve|connect)|could not (resolve|connect)|failure resolving|name resolution|getaddrinfo|Name or service not known'
UNREACHABLE="$UNREACHABLE|connection (refused|timed out|reset)|failed to (establish|connect)|error sending request|dns error"
UNREACHABLE="$UNREACHABLE|network is unreachable|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|Cannot connect to proxy|ProxyError"

# newer_or_same HAVE WANT: compares dotted version numbers.
newer_or_same() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}
