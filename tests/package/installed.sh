#!/bin/sh
# Tries the Debian package and the tarball: installed.sh PACKAGE TARBALL
#
# The package is installed into a bare Debian (debootstrap), where it must start nothing; then a gateway and a tunnel of
# it run there, a client calls through both, and it is removed and purged. Needs root and a network; the bare Debian is
# kept in the cache for the next time.
set -eu

package="$1"
tarball="$2"
suite=bookworm
cache="${XDG_CACHE_HOME:-$HOME/.cache}/culvert/tools"
here="$(cd "$(dirname "$0")" && pwd)"

say() { echo "package: $*"; }
fail() {
    echo "package: $*" >&2
    exit 1
}
same() { [ "$2" = "$3" ] || fail "$1: expected [$3], found [$2]"; }

[ "$(id -u)" = 0 ] || fail "only root can make a bare Debian: sudo make test-package"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"

root="$(mktemp -d)"
pids=
clean() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM

bare="$cache/debian-$suite.tar"
if [ ! -f "$bare" ]; then
    mirror="$(sed -n 's/^URIs: //p; s/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\).* main.*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/*debian* 2>/dev/null | grep -v security | head -n 1)"
    say "making a bare Debian $suite from ${mirror:=http://deb.debian.org/debian}"
    mkdir -p "$cache"
    debootstrap --variant=minbase "$suite" "$root/first" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
        fail "debootstrap failed: $cache/debootstrap.log"
    tar -C "$root/first" -cf "$bare.new" .
    mv "$bare.new" "$bare"
    rm -rf "$root/first"
fi
tar -C "$root" -xf "$bare"
mount -t proc proc "$root/proc"
become() { exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"; }
inside() { (become "$@"); }
running() {
    for exe in /proc/[0-9]*/exe; do readlink "$exe"; done 2>/dev/null | grep -c "^$root/usr/\(bin\|libexec\)/$1" || true
}

say "what it holds"
version="$(dpkg-deb -f "$package" Version)"
names="$(dpkg-deb -c "$package" | awk '{ print $NF }')"
for unwanted in gtk webkit .so; do
    echo "$names" | grep -qi "$unwanted" && fail "the package holds $unwanted"
    dpkg-deb -f "$package" Depends | grep -qi "$unwanted" && fail "the package depends on $unwanted"
done
for wanted in ./usr/bin/culvert ./usr/libexec/culvert-reaper ./lib/systemd/system/culvert@.service ./lib/systemd/system/culvert-gateway.service \
    ./usr/lib/systemd/user/culvert.service ./usr/share/man/man1/culvert.1.gz ./usr/share/man/man1/culvert-run.1.gz \
    ./usr/share/bash-completion/completions/culvert ./usr/share/zsh/vendor-completions/_culvert \
    ./usr/share/fish/vendor_completions.d/culvert.fish ./usr/share/doc/culvert/copyright \
    ./usr/share/doc/culvert/THIRD-PARTY.gz ./etc/culvert/gateway.env; do
    echo "$names" | grep -qxF "$wanted" || fail "$wanted is missing"
done
if command -v lintian >/dev/null; then
    said="$(lintian --fail-on error,warning "$package" 2>&1 | grep -v 'running with root privileges')" || true
    same "lintian" "$said" ""
else
    say "lintian is not there, so it says nothing"
fi

say "installing"
cp "$package" "$root/culvert.deb"
inside dpkg -i /culvert.deb >"$root/dpkg.log" 2>&1 || { cat "$root/dpkg.log"; fail "it cannot be installed"; }
same "what started by itself" "$(running culvert)" 0
[ -z "$(find "$root/etc/systemd" -name 'culvert*')" ] || fail "something was enabled"
same "its version" "$(inside culvert --version | cut -d ' ' -f 2)" "$version"
same "its conffiles" "$(inside dpkg-query -W -f '${Conffiles}' culvert | awk '{ print $1 }' | xargs)" /etc/culvert/gateway.env
inside dpkg --verify culvert | grep . && fail "files are not as they were packed"
inside bash -c '. /usr/share/bash-completion/completions/culvert && complete -p culvert' >/dev/null ||
    fail "bash does not take its completions"
zcat "$root/usr/share/man/man1/culvert.1.gz" | grep -q '^\.TH culvert' || fail "culvert.1 is no manual page"
zcat "$root/usr/share/doc/culvert/THIRD-PARTY.gz" | grep -q '^tokio v' || fail "the crates' licences are missing"
for unit in "$root"/lib/systemd/system/culvert*.service "$root/usr/lib/systemd/user/culvert.service"; do
    program="$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")"
    [ -x "$root$program" ] || fail "$unit starts $program, which is not there"
done

say "a gateway and a tunnel"
install -m 0755 "$here/server.pl" "$root/opt/echo-server"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
gateway="http://127.0.0.1:$port"
head -c 32 /dev/urandom | md5sum | cut -c 1-32 >"$root/etc/culvert/jwt-secret"
chmod 600 "$root/etc/culvert/jwt-secret"
become culvert gateway --listen "127.0.0.1:$port" --state-dir /var/lib/culvert-gateway \
    --jwt-secret-file /etc/culvert/jwt-secret >"$root/gateway.log" 2>&1 &
pids="$pids $!"
inside culvert token create -u me --jwt-secret-file /etc/culvert/jwt-secret >"$root/etc/culvert/echo.token"
chmod 600 "$root/etc/culvert/echo.token"
printf 'name: echo\ncommand: /opt/echo-server\ngateway: %s\ntoken: file:/etc/culvert/echo.token\n' "$gateway" \
    >"$root/etc/culvert/echo.yaml"
become culvert run --config /etc/culvert/echo.yaml >"$root/tunnel.log" 2>&1 &
pids="$pids $!"
python3 "$here/call.py" "$gateway/servers/echo/mcp" "$(cat "$root/etc/culvert/echo.token")" ||
    { cat "$root/gateway.log" "$root/tunnel.log"; fail "no call came through"; }
same "what runs from the package" "$(running culvert)" 3
same "what is beside the tunnel, for its servers' sake" "$(running culvert-reaper)" 1
inside culvert doctor --config /etc/culvert/echo.yaml >"$root/doctor.log" 2>&1 ||
    { cat "$root/doctor.log"; fail "doctor finds fault"; }
for pid in $pids; do kill "$pid"; done
for pid in $pids; do wait "$pid" || fail "one of them did not end well"; done
pids=
same "what still runs" "$(running culvert)" 0

say "upgrading over a changed conffile, removing, purging"
echo 'CULVERT_GATEWAY_OPTIONS=--listen 127.0.0.1:4445' >>"$root/etc/culvert/gateway.env"
inside dpkg --force-confold -i /culvert.deb >"$root/dpkg.log" 2>&1 || { cat "$root/dpkg.log"; fail "no upgrade"; }
grep -q 4445 "$root/etc/culvert/gateway.env" || fail "an upgrade undid the administrator's change"
inside dpkg -r culvert >"$root/dpkg.log" 2>&1 || { cat "$root/dpkg.log"; fail "it cannot be removed"; }
[ ! -e "$root/usr/bin/culvert" ] || fail "the program stayed"
[ -e "$root/etc/culvert/gateway.env" ] && [ -d "$root/var/lib/culvert-gateway" ] || fail "removing took too much"
inside dpkg -P culvert >"$root/dpkg.log" 2>&1 || { cat "$root/dpkg.log"; fail "it cannot be purged"; }
[ ! -e "$root/etc/culvert/gateway.env" ] && [ ! -e "$root/var/lib/culvert-gateway" ] || fail "a purge left something"
[ -e "$root/etc/culvert/echo.yaml" ] || fail "a purge took the administrator's own configuration"
left="$(cd "$root" && find usr lib etc var -iname '*culvert*' ! -path 'etc/culvert' ! -path 'var/lib/dpkg/*' ! -path 'var/log/*')"
same "what is left" "$left" ""

say "the tarball"
mkdir "$root/unpacked"
tar -C "$root/unpacked" --strip-components=1 -xzf "$tarball"
same "its version" "$(inside /unpacked/culvert --version | cut -d ' ' -f 2)" "$version"
for wanted in culvert-reaper LICENSE README.md CHANGELOG.md THIRD-PARTY systemd/culvert@.service completions/culvert.zsh man/culvert.1; do
    [ -f "$root/unpacked/$wanted" ] || fail "the tarball has no $wanted"
done
say "all is well with culvert $version"
