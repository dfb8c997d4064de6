#!/bin/sh
# Writes crates/cli/functions.order: the functions that a tunnel and a gateway really run, in the order in which they first
# do, for the linker to put beside each other (crates/cli/build.rs). Needs valgrind, openssl, curl, and about ten minutes.
#
# The program is built as for a release, but keeps its symbols; then it makes the benchmark's loads, and calls over TLS,
# under callgrind, which knows each function that ran. Names hold the versions of all crates: run this before a release,
# and after `cargo update`. A name that no longer is there does no harm, nor does a function that is not in the file: it
# only lies farther off.
set -eu

root="$(cd "$(dirname "$0")/.." && pwd)"
cd "$root"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/culvert/target}"
for tool in valgrind openssl curl; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool" >&2; exit 1; }
done
work="$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf "$work"' EXIT

cargo build --release --quiet -p culvert-bench
cargo build --release --quiet -p culvert-cli --bin culvert-reaper
cargo rustc --release --quiet -p culvert-cli --bin culvert -- -C strip=none
cp "$CARGO_TARGET_DIR/release/culvert" "$work/program"
cat >"$work/culvert" <<EOF
#!/bin/sh
# A program given a token as an argument starts itself again.
exec valgrind --quiet --tool=callgrind --demangle=no --trace-children=yes --trace-children-skip='*bench-echo,*culvert-reaper' \\
    --callgrind-out-file="$work/ran.\${PART:-plain.\$1}.%p" "$work/program" "\$@"
EOF
chmod +x "$work/culvert"
# The driver measures the program beside it.
for program in culvert-bench bench-echo culvert-reaper; do
    cp "$CARGO_TARGET_DIR/release/$program" "$work"
done

"$work/culvert-bench" base culvert --runs 1 --seconds 2 --sizes 200,921600 --timeout 60 >&2
"$work/culvert-bench" channels culvert --runs 1 --seconds 2 --timeout 60 >&2

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
export PART=tls HOME="$work" SSL_CERT_FILE="$work/cert.pem" JWT_SECRET_KEY=only-for-this-and-at-least-32-bytes-long
port=$((20000 + $$ % 20000))
url="https://localhost:$port"
token="$("$work/program" token create -u order -e 60)"
"$work/culvert" gateway --listen "127.0.0.1:$port" --public-url "$url" --tls-cert "$work/cert.pem" --tls-key "$work/key.pem" 2>/dev/null &
gateway=$!
REVERSE_PROXY_TOKEN="$token" "$work/culvert" run --gateway "$url" --server-name order \
    --local-stdio "$work/bench-echo" 2>/dev/null &
tunnel=$!
post() {
    curl --silent --cacert "$work/cert.pem" --max-time 60 -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        -H 'Accept: application/json, text/event-stream' -D "$work/head" "$@" "$url/servers/order/mcp"
}
waited=0
until curl --silent --cacert "$work/cert.pem" -H "Authorization: Bearer $token" "$url/servers" | grep -q '"order"'; do
    waited=$((waited + 1))
    [ "$waited" -le 60 ] || { echo "no tunnel came up over TLS" >&2; exit 1; }
    sleep 1
done
hello='{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"order","version":"1"}}'
post -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":'"$hello"'}' >/dev/null
session="Mcp-Session-Id: $(sed -n 's/^mcp-session-id: *//Ip' "$work/head" | tr -d '\r')"
post -H "$session" -d '{"jsonrpc":"2.0","method":"notifications/initialized"}'
post -H "$session" -d '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' | grep -q '"result"'
kill "$tunnel"
wait "$tunnel" || :
kill "$gateway"
wait "$gateway" || :

nm "$work/program" | sed -n 's/^[0-9a-f]* [tT] //p' | sort -u >"$work/all"
# What tunnel and gateway share lies between their own, and what only TLS needs at the end. Each group is as it first ran; callgrind gives a name where it first occurs, at a function or a call.
for part in plain.run plain.gateway tls; do
    cat "$work/ran.$part".* | sed -nE "s/^c?fn=\([0-9]+\) //p" | sed -E "s/'[0-9]+\$//; s/^/$part /"
done | awk '
    NR == FNR { known[$0]; next }
    !($2 in known) { next }
    !($2 in parts) { order[++count] = $2 }
    index(parts[$2], $1) == 0 { parts[$2] = parts[$2] $1 }
    function group(name,   all) {
        all = parts[name]
        if (all ~ /run/) return all ~ /gateway/ ? 2 : 1
        return all ~ /gateway/ ? 3 : 4
    }
    END { for (g = 1; g <= 4; g++) for (i = 1; i <= count; i++) if (group(order[i]) == g) print order[i] }
' "$work/all" - >"$work/order"
mv "$work/order" crates/cli/functions.order
wc -l crates/cli/functions.order
