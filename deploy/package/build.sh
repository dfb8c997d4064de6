#!/bin/sh
# Makes a Debian package and a tarball of a built program: build.sh PROGRAM FOLDER
#
# PROGRAM is a release build of `culvert`, with `culvert-reaper` beside it; both files are put into FOLDER, and their paths
# are printed. The version is the program's own (Cargo's). What is in them: the two programs, systemd units, completions,
# manual pages, licences. Needs dpkg-deb, binutils and gzip; no right of root. The same programs and commit give the same
# bytes.
set -eu

program="$1"
out="$2"
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

version="$("$program" --version | cut -d ' ' -f 2)"
architecture="$(dpkg --print-architecture)"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
umask 022

# What both have.
parts="$work/parts"
mkdir -p "$parts/completions" "$parts/man" "$parts/systemd/user"
install -m 0755 "$program" "$parts/culvert"
install -m 0755 "$(dirname "$program")/culvert-reaper" "$parts/culvert-reaper"
strip --strip-unneeded --remove-section=.comment "$parts/culvert" "$parts/culvert-reaper"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$parts/completions/culvert.$shell"
done
"$program" man "$parts/man"
install -m 0644 "$root/deploy/systemd/culvert@.service" "$root/deploy/systemd/culvert-gateway.service" \
    "$root/deploy/systemd/example.yaml" "$parts/systemd"
install -m 0644 "$root/deploy/systemd/user/culvert.service" "$parts/systemd/user"
install -m 0644 "$root/LICENSE" "$root/README.md" "$root/CHANGELOG.md" "$parts"
sh "$here/third-party.sh" >"$parts/THIRD-PARTY"

# The oldest glibc with every symbol that the program asks for.
glibc="$(objdump -T "$parts/culvert" "$parts/culvert-reaper" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -n 1)"

tree="$work/tree"
put() { # MODE TARGET SOURCE...
    mode="$1" target="$2"
    shift 2
    install -d "$tree/$target"
    install -m "$mode" "$@" "$tree/$target"
}
put 0755 usr/bin "$parts/culvert"
put 0755 usr/libexec "$parts/culvert-reaper"
put 0644 lib/systemd/system "$parts/systemd/culvert@.service" "$parts/systemd/culvert-gateway.service"
put 0644 usr/lib/systemd/user "$parts/systemd/user/culvert.service"
put 0644 usr/share/man/man1 "$parts"/man/*.1
gzip -9n "$tree"/usr/share/man/man1/*.1
install -D -m 0644 "$parts/completions/culvert.bash" "$tree/usr/share/bash-completion/completions/culvert"
install -D -m 0644 "$parts/completions/culvert.zsh" "$tree/usr/share/zsh/vendor-completions/_culvert"
install -D -m 0644 "$parts/completions/culvert.fish" "$tree/usr/share/fish/vendor_completions.d/culvert.fish"
put 0644 usr/share/doc/culvert "$here/debian/copyright" "$parts/THIRD-PARTY" "$parts/README.md"
put 0644 usr/share/doc/culvert/examples "$parts/systemd/example.yaml"
gzip -9n "$tree/usr/share/doc/culvert/THIRD-PARTY"
gzip -9nc "$parts/CHANGELOG.md" >"$tree/usr/share/doc/culvert/CHANGELOG.md.gz"
maintainer="$(sed -n 's/^Maintainer: //p' "$here/debian/control")"
printf 'culvert (%s) stable; urgency=medium\n\n  * What changed is in CHANGELOG.md.gz.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(date -uR -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$tree/usr/share/doc/culvert/changelog.gz"
put 0644 etc/culvert "$here/debian/gateway.env"
put 0644 usr/share/lintian/overrides "$here/debian/lintian/culvert"

install -d "$tree/DEBIAN"
for script in postinst prerm postrm; do
    install -m 0755 "$here/debian/$script" "$tree/DEBIAN/$script"
done
(cd "$tree" && find etc -type f -printf '/%p\n' | sort) >"$tree/DEBIAN/conffiles"
(cd "$tree" && find . -path ./DEBIAN -prune -o -path ./etc -prune -o -type f -printf '%P\n' | sort | xargs md5sum) \
    >"$tree/DEBIAN/md5sums"
size="$(du -sk --exclude=DEBIAN "$tree" | cut -f 1)"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@GLIBC@/$glibc/" -e "s/@SIZE@/$size/" \
    "$here/debian/control" >"$tree/DEBIAN/control"

mkdir -p "$out"
out="$(cd "$out" && pwd)"
deb="$out/culvert_${version}_$architecture.deb"
dpkg-deb --root-owner-group -Zxz --build "$tree" "$deb" >/dev/null
echo "$deb"

name="culvert-$version-linux-$(uname -m)"
mv "$parts" "$work/$name"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
    gzip -9n >"$out/$name.tar.gz"
echo "$out/$name.tar.gz"
