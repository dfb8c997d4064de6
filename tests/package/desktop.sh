#!/bin/sh
# Tries the desktop app's packages: desktop.sh CULVERT.DEB CULVERT-DESKTOP.DEB CULVERT-DESKTOP.RPM
#
# Those for Debian are installed into a bare one, and the app is started there by a user on a display and a bus of its
# own; then it is removed, and what a user had must be there still. The rpm is only read: there is nothing here to
# install it on. Needs root, a network, and the bare Debian that installed.sh leaves in the cache.
set -eu

culvert="$1" desktop="$2" rpm="$3"
bare="${XDG_CACHE_HOME:-$HOME/.cache}/culvert/tools/debian-bookworm.tar"

say() { echo "package: $*"; }
fail() {
    echo "package: $*" >&2
    exit 1
}

say "what the rpm holds and asks for"
for wanted in /usr/bin/culvert-desktop /usr/share/applications/culvert-desktop.desktop \
    /usr/share/icons/hicolor/scalable/apps/culvert-desktop.svg /usr/share/doc/culvert-desktop/THIRD-PARTY.gz; do
    rpm -qpl "$rpm" | grep -qxF "$wanted" || fail "the rpm has no $wanted"
done
for wanted in 'libwebkit2gtk-4.1.so.0()(64bit)' 'libgtk-3.so.0()(64bit)'; do
    rpm -qp --requires "$rpm" | grep -qxF "$wanted" || fail "the rpm does not ask for $wanted"
done

[ "$(id -u)" = 0 ] || fail "only root can enter a bare Debian: sudo make test-package"
[ -f "$bare" ] || fail "there is no bare Debian yet: make test-package makes it"
root="$(mktemp -d)"
clean() {
    for exe in /proc/[0-9]*/exe; do
        case "$(readlink "$exe")" in "$root"/*) kill -9 "$(echo "$exe" | cut -d / -f 3)" 2>/dev/null || true ;; esac
    done
    umount "$root/proc" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM
tar -C "$root" -xf "$bare"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$culvert" "$root/culvert.deb"
cp "$desktop" "$root/culvert-desktop.deb"
inside() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}
user() { inside runuser -u someone -- env HOME=/home/someone "$@"; }
running() { for exe in /proc/[0-9]*/exe; do readlink "$exe"; done 2>/dev/null | grep -c "^$root/usr/bin/culvert" || true; }
until_true() { # WHAT COMMAND...
    what="$1" tries=0
    shift
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "waited in vain: $what"
        sleep 0.1
    done
}

say "installing, with all that it asks for"
{ inside apt-get update && inside apt-get install -y --no-install-recommends /culvert.deb /culvert-desktop.deb \
    xvfb xauth dbus; } >"$root/apt.log" 2>&1 || { tail -n 20 "$root/apt.log"; fail "it cannot be installed"; }
[ "$(running)" = 0 ] || fail "something started by itself"
! ldd_missing="$(inside ldd /usr/bin/culvert-desktop | grep 'not found')" || fail "libraries are missing: $ldd_missing"

say "starting it, as a user"
inside useradd --create-home someone
user culvert profiles add echo --local-stdio /bin/cat --gateway http://127.0.0.1:9 >"$root/add.log" 2>&1 ||
    { cat "$root/add.log"; fail "no profile can be saved"; }
profile="$(find "$root/home/someone/.config/culvert/profiles" -name '*.yaml')"
[ -n "$profile" ] || fail "no profile was saved"
user dbus-run-session -- xvfb-run -a culvert-desktop >"$root/app.log" 2>&1 &
runs_the_profiles() { user culvert status 2>&1 | grep -q echo && ! user culvert status 2>&1 | grep -q 'nothing runs'; }
until_true "the app runs the profiles" runs_the_profiles
pid="$(for exe in /proc/[0-9]*/exe; do
    [ "$(readlink "$exe")" != "$root/usr/bin/culvert-desktop" ] || echo "$exe" | cut -d / -f 3
done 2>/dev/null)"
kill "$pid"
ended() { [ "$(running)" = 0 ]; }
until_true "the app ends when asked" ended

say "removing it"
autostart="$root/home/someone/.config/autostart"
user mkdir -p /home/someone/.config/autostart
printf '[Desktop Entry]\nType=Application\nName=Culvert\nExec=/usr/bin/culvert-desktop --hidden\n' >"$autostart/Culvert.desktop"
printf '[Desktop Entry]\nType=Application\nName=Other\nExec=/usr/bin/other\n' >"$autostart/other.desktop"
inside chown -R someone: /home/someone/.config
inside apt-get remove -y culvert-desktop >"$root/apt.log" 2>&1 || { tail -n 20 "$root/apt.log"; fail "it cannot be removed"; }
[ ! -e "$root/usr/bin/culvert-desktop" ] || fail "the program stayed"
[ ! -e "$autostart/Culvert.desktop" ] || fail "it would still be started at login"
[ -e "$autostart/other.desktop" ] || fail "another program's start at login went with it"
[ -s "$profile" ] || fail "the profile went with it"
user culvert profiles list 2>&1 | grep -q echo || fail "the command line does not list the profile any more"
inside apt-get purge -y culvert-desktop >"$root/apt.log" 2>&1 || fail "it cannot be purged"
left="$(find "$root/usr" "$root/etc" "$root/var/lib" -iname '*culvert-desktop*' ! -path '*/dpkg/*' ! -path '*/apt/*')"
[ -z "$left" ] || fail "left behind: $left"
say "all is well with $(basename "$desktop")"
