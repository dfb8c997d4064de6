# shellcheck shell=sh
# What the machine itself must have: Rust, a C compiler, git, Python. Rust is left to
# its user; the rest comes from the distribution, and only what is missing.

# The Pythons that every pinned peer runs on (ContextForge 1.0.7 sets both ends).
PYTHON_FITS='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
PYTHON_PIN=3.13

need_rust() {
    wanted="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")"
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is missing; Culvert needs $wanted or newer" "install it from https://rustup.rs"
    # A rustup without a toolchain has a rustc that only prints how to get one.
    have="$(rustc --version 2>/dev/null | cut -d ' ' -f 2)" || have=
    [ -n "$have" ] ||
        fail "rustc is there but does not run; Culvert needs Rust $wanted or newer" "rustup default stable"
    newer_or_same "${have%%-*}" "$wanted" ||
        fail "Rust $have is too old; Culvert needs $wanted or newer" \
            "rustup update stable (a distribution's own Rust is often older: https://rustup.rs)"
}

need_rust_components() {
    for component in rustfmt clippy; do
        [ "$component" = clippy ] && command="cargo clippy" || command="cargo fmt"
        $command --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null ||
            fail "$component is missing" "install it beside cargo, or take Rust from https://rustup.rs"
        attempt "$component" static.rust-lang.org rustup component add "$component"
    done
}

# Asked for together, so that whoever must ask an administrator asks once.
need_packages() {
    missing=
    case "$part" in
    ui) ;;
    ui-test) browser_packages ;;
    *) command -v cc >/dev/null || missing="gcc libc6-dev" ;;
    esac
    case "$part" in app | package | test) app_packages ;; esac
    if [ "$part" = package ]; then
        command -v dpkg-shlibdeps >/dev/null || missing="$missing dpkg-dev"
        command -v rpmbuild >/dev/null || missing="$missing rpm"
    fi
    if [ "$part" = test ]; then
        command -v git >/dev/null || missing="$missing git"
        # The fuzzer is written in C++.
        command -v c++ >/dev/null || missing="$missing g++"
        # They read what is in deploy/.
        command -v systemd-analyze >/dev/null || missing="$missing systemd"
        command -v docker-compose >/dev/null || missing="$missing docker-compose"
        browser_packages
        desktop_packages
        fault_packages
    fi
    python3 -c 'import venv, ensurepip' 2>/dev/null || fitting_python >/dev/null ||
        missing="$missing python3-venv ca-certificates"
    # shellcheck disable=SC2086 # a list of words
    [ -z "$missing" ] || packages $missing
}

browser_packages() {
    browser >/dev/null || missing="$missing chromium"
    # The pictures' typeface; without it they show whatever the machine has.
    fc-list 2>/dev/null | grep -q 'Inter:' || missing="$missing fonts-inter"
}

# What the app is built with.
app_packages() {
    command -v pkg-config >/dev/null || missing="$missing pkg-config"
    pkg-config --exists webkit2gtk-4.1 2>/dev/null || missing="$missing libwebkit2gtk-4.1-dev"
}

# A desktop without a screen: display, bus, keychain, window manager, panel, a driver for the
# window, a screen reader's bus, and what takes the pictures.
desktop_packages() {
    command -v Xvfb >/dev/null || missing="$missing xvfb"
    command -v dbus-daemon >/dev/null || missing="$missing dbus-daemon"
    command -v dbus-run-session >/dev/null || missing="$missing dbus-daemon"
    command -v gnome-keyring-daemon >/dev/null || missing="$missing gnome-keyring"
    command -v secret-tool >/dev/null || missing="$missing libsecret-tools"
    command -v openbox >/dev/null || missing="$missing openbox"
    command -v xfce4-panel >/dev/null || missing="$missing xfce4-panel"
    [ -n "$(ls /usr/lib/*/xfce4/xfconf/xfconfd 2>/dev/null)" ] || missing="$missing xfconf"
    command -v WebKitWebDriver >/dev/null || missing="$missing webkit2gtk-driver"
    [ -x /usr/libexec/at-spi-bus-launcher ] || missing="$missing at-spi2-core"
    command -v xdotool >/dev/null || missing="$missing xdotool"
    command -v xclip >/dev/null || missing="$missing xclip"
    [ -x /usr/libexec/gcr-prompter ] || missing="$missing gcr"
    command -v import >/dev/null || missing="$missing imagemagick"
    [ -d /usr/share/icons/Adwaita ] || missing="$missing adwaita-icon-theme"
    fc-list 2>/dev/null | grep -q 'DejaVu Sans:' || missing="$missing fonts-dejavu-core"
}

# What pretends that the machine slept, that its clock was set, that its network is gone.
fault_packages() {
    /usr/bin/python3 -c 'import dbusmock' 2>/dev/null || missing="$missing python3-dbusmock"
    [ -n "$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null)" ] || missing="$missing libfaketime"
    [ -x /usr/sbin/nft ] || missing="$missing nftables"
    [ -x /usr/sbin/ip ] || [ -x /sbin/ip ] || missing="$missing iproute2"
}

# The browser that the front end's tests drive.
browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

# Sets $python and, for the stamps, $python_is. A distribution whose Python is too old
# or too new for the peers (Ubuntu 22.04 and 26.04) keeps it; a fitting one is then put
# into the cache.
need_python() {
    fitting_python >/dev/null || download_python
    python="$(fitting_python)" || fail "no Python 3.11 to 3.13 could be had" \
        "install one and name it: CULVERT_PYTHON=/path/to/python3.13 make setup"
    python_is="$python $("$python" --version)"
}

download_python() {
    say "$(python3 --version) is not among 3.11 to 3.13, which the peers need"
    uv="$cache/tools/uv"
    [ -x "$uv/bin/uv" ] || attempt "uv" pypi.org fresh_venv python3 "$uv" "$here/pins/uv.txt"
    attempt "Python $PYTHON_PIN" github.com \
        "$uv/bin/uv" python install --no-bin --install-dir "$cache/tools/python" "$PYTHON_PIN"
}

fitting_python() {
    for candidate in "${CULVERT_PYTHON:-}" python3 python3.13 python3.12 python3.11 \
        "$cache"/tools/python/cpython-3.*/bin/python3; do
        [ -n "$candidate" ] && "$candidate" -c "$PYTHON_FITS" 2>/dev/null || continue
        # The real file: a shim in front of it may choose another tomorrow.
        "$candidate" -c 'import sys; print(sys.executable)'
        return
    done
    return 1
}

# packages NAME...: installs from the distribution, as root or through sudo.
packages() {
    command -v apt-get >/dev/null || fail "missing here: $*" \
        "install them (Debian's names) with this system's package manager"
    as_root=sudo
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif ! command -v sudo >/dev/null ||
        ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
        fail "missing here: $*, and neither root nor sudo is at hand" \
            "ask an administrator to run: apt-get install -y $*"
    fi
    attempt "apt-get install $*" "the Debian mirror" apt_install "$@"
}

# program NAME PATH PACKAGE...: the file at PATH out of the first of these packages that has it, unpacked into the cache:
# to install a server would start it. What the distribution does not have stays unchecked; the test says so.
program() {
    name="$1" path="$2"
    shift 2
    [ -x "$peers/debian/$path" ] && return
    command -v apt-get >/dev/null || return 0
    attempt "$name" "the Debian mirror" unpack "$path" "$@"
    [ -x "$peers/debian/$path" ] || say "$name: this distribution has none; what is in deploy/ for it stays unchecked"
}

unpack() {
    path="$1"
    shift
    rm -rf "$peers/debian.new"
    mkdir -p "$peers/debian.new" "$peers/debian"
    for package in "$@"; do
        apt-cache show "$package" >/dev/null 2>&1 || continue
        (cd "$peers/debian.new" && apt-get download "$package") &&
            dpkg-deb --extract "$peers/debian.new/$package"_*.deb "$peers/debian.new" || return
        [ -x "$peers/debian.new/$path" ] || continue
        mkdir -p "$peers/debian/${path%/*}"
        mv "$peers/debian.new/$path" "$peers/debian/$path"
        break
    done
    rm -rf "$peers/debian.new"
}

# `update` succeeds without a network too, with warnings; its output stays in the
# same log, where attempt finds the reason when `install` then fails.
apt_install() {
    $as_root apt-get update
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}
