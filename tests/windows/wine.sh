#!/bin/sh
# Builds Culvert for Windows, and tries it under Wine: wine.sh [KILLS]
#
# A bare Debian (debootstrap) has what is needed: a cross compiler, Wine, and the sources of Rust's standard library,
# which is built first, because no package has it for Windows. All of that stays in the cache for the next time, about
# 8 GB. Needs root and a network.
set -eu

kills="${1:-100}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/culvert/windows"
root="$cache/root"
here="$(cd "$(dirname "$0")" && pwd)"
checkout="$(cd "$here/../.." && pwd)"
target=x86_64-pc-windows-gnu
built="/target/$target/debug"
packages="rustc cargo rust-src gcc libc6-dev gcc-mingw-w64-x86-64 wine wine64 ca-certificates"

say() { echo "windows: $*"; }
fail() {
    echo "windows: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "only root can make a bare Debian: sudo make test-windows"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || fail "it runs already"

# The processes inside, by the program that they are; Wine's are named by the Windows program.
inside_now() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/root" 2>/dev/null)" != "$root" ] || echo "${process#/proc/}"
    done
}
clean() {
    for pid in $(inside_now); do kill -9 "$pid" 2>/dev/null || true; done
    for mounted in src proc; do umount "$root/$mounted" 2>/dev/null || true; done
}
trap clean EXIT
trap 'exit 1' INT TERM

become() {
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive WINEDEBUG=-all XDG_RUNTIME_DIR=/tmp "$@" 9>&-
}
inside() { (become "$@"); }
wine() { inside wine "$@"; }

if [ ! -f "$cache/installed" ] || [ "$(cat "$cache/installed")" != "$packages" ]; then
    mirror="$(sed -n 's/^URIs: //p; s/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\).* main.*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/*debian* 2>/dev/null | grep -v security | head -n 1)"
    say "making a Debian sid from ${mirror:=http://deb.debian.org/debian}, with $packages"
    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase sid "$root" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
        fail "debootstrap failed: $cache/debootstrap.log"
    umount "$root/proc" "$root/sys" 2>/dev/null || true
    mount -t proc proc "$root/proc"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # A mirror may be some weeks behind; what it has is signed all the same.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90behind"
    # shellcheck disable=SC2086
    { inside apt-get update && inside apt-get install -y --no-install-recommends $packages && inside apt-get clean; } \
        >"$cache/apt.log" 2>&1 || { tail -n 20 "$cache/apt.log"; fail "it cannot be installed"; }
    umount "$root/proc"
    echo "$packages" >"$cache/installed"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
# Whom this machine trusts, a proxy of its own included.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/of-the-host.crt"
mkdir -p "$root/src" "$root/target" "$root/cargo"
mount -t proc proc "$root/proc"
mount --bind "$checkout" "$root/src"

# build FOLDER ARGUMENTS...: only a compiler that is let may build the standard library, or say what only a nightly says.
build() {
    folder="$1"
    shift
    inside env CARGO_HOME=/cargo CARGO_TARGET_DIR=/target CARGO_HTTP_CAINFO=/etc/ssl/certs/of-the-host.crt \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc RUSTC_BOOTSTRAP=1 \
        nice -n 10 sh -c 'cd "$0" && exec cargo build "$@"' "$folder" -Zbuild-std=std,panic_unwind --target "$target" \
        --locked --quiet "$@"
}
say "building, with $(inside rustc --version)"
build /src -p culvert-cli
build /src/tests/windows
wine wineboot --init >"$cache/wineboot.log" 2>&1 || { cat "$cache/wineboot.log"; fail "Wine does not start"; }
say "it says: $(wine "$built/culvert.exe" --version)"

port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
gateway="http://127.0.0.1:$port"
culvert="Z:$(echo "$built" | tr / '\\')\\culvert.exe"
tries="Z:$(echo "$built" | tr / '\\')\\culvert-windows.exe"
rm -rf "$root/root/gateway"

say "a gateway and a tunnel, called from Linux"
become wine "$culvert" gateway --listen "127.0.0.1:$port" --no-auth --state-dir 'Z:\root\gateway' \
    >"$cache/gateway.log" 2>&1 &
become wine "$culvert" run --gateway "$gateway" --server-name echo --local-stdio "$tries serve" \
    >"$cache/tunnel.log" 2>&1 &
python3 "$checkout/tests/package/call.py" "$gateway/servers/echo/mcp" none ||
    { cat "$cache/gateway.log" "$cache/tunnel.log"; fail "no call came through"; }

say "its exit code is its own"
code=0
wine "$culvert" run --no-such-option >"$cache/refused.log" 2>&1 || code=$?
[ "$code" = 2 ] || { cat "$cache/refused.log"; fail "expected exit code 2, found $code"; }

say "a profile that is stopped"
wine "$tries" stopped "$culvert" "$gateway" >"$cache/stopped.log" 2>&1 ||
    { cat "$cache/stopped.log"; fail "it was not as it should be"; }
tail -n 1 "$cache/stopped.log" | tr -d '\r'

named() {
    for pid in $(inside_now); do
        { tr '\0' ' ' <"/proc/$pid/cmdline" && echo; } 2>/dev/null
    done | grep -c "$1" || true
}
say "$kills Culverts that are killed"
before="$(named 'culvert-windows.exe')"
[ "$before" -ge 2 ] || fail "the tunnel above has no server any more"
wine "$tries" killed "$kills" "$culvert" "$gateway" >"$cache/killed.log" 2>&1 ||
    { cat "$cache/killed.log"; fail "somebody stayed"; }
tail -n 1 "$cache/killed.log" | tr -d '\r'
[ "$(named 'culvert-windows.exe')" = "$before" ] || fail "before there were $before processes, now $(named 'culvert-windows.exe')"

say "the tunnel above, killed by taskkill /F"
looks=0
while [ "$(named 'culvert')" != 0 ]; do
    looks=$((looks + 1))
    [ "$looks" -lt 100 ] || fail "left behind: $(named 'culvert') processes"
    # One at a time: Wine's taskkill ends the first of a name.
    wine taskkill /F /IM culvert.exe >"$cache/taskkill.log" 2>&1 || true
    sleep 0.1
done
say "all is well under $(inside wine --version)"
