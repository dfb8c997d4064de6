#!/bin/sh
# Prints what a program is made of beside its own code: each crate with its licence, and every licence text that came
# with one of them, once: third-party.sh [PACKAGE], the package of the program `culvert` if none is named. The crates are
# those that Cargo has fetched for this machine.
set -eu

package="${1:-culvert-cli}"
root="$(cd "$(dirname "$0")/../.." && pwd)"
sources="${CARGO_HOME:-$HOME/.cargo}/registry/src"
# Not in a pipe, where a failure would not be seen.
all="$(cd "$root" && cargo tree --locked --offline -p "$package" -e normal --prefix none --format '{p} {l}')"
crates="$(echo "$all" | grep -v "($root" | sed 's/ (\*)$//' | sort -u)"

echo "The program ${package%-cli} contains these crates, under these licences:"
echo
echo "$crates" | sed 's/ (proc-macro)//'
echo
echo "Their licence texts follow, each once."

texts="$(mktemp -d)"
trap 'rm -rf "$texts"' EXIT
echo "$crates" | while read -r name version _; do
    for text in "$sources"/*/"$name-${version#v}"/LICEN[CS]E* "$sources"/*/"$name-${version#v}"/COPYING*; do
        [ -f "$text" ] || continue
        sum="$(cksum <"$text" | tr ' ' -)"
        echo "$name" >>"$texts/$sum.crates"
        [ -f "$texts/$sum" ] || cp "$text" "$texts/$sum"
    done
done
for crates in "$texts"/*.crates; do
    echo
    echo "---- $(sort -u "$crates" | paste -sd ' ' -)"
    echo
    cat "${crates%.crates}"
done
