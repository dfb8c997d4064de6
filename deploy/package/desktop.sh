#!/bin/sh
# Makes the packages of the desktop app, one for Debian and one for Fedora and its kin: desktop.sh PROGRAM VERSION FOLDER
#
# PROGRAM is a release build of `culvert-desktop`; the packages are put into FOLDER, and their paths are printed. In
# them: the program, its entry in the menus, its icons, licences. Needs dpkg-dev, binutils, gzip and rpm; no right of
# root. The package for Debian needs the one of `culvert` with the same version.
set -eu

program="$1" version="$2" out="$3"
name=culvert-desktop
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

architecture="$(dpkg --print-architecture)"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
umask 022

tree="$work/tree"
put() { install -D -m "$1" "$3" "$tree/$2"; }
put 0755 "usr/bin/$name" "$program"
strip --strip-unneeded --remove-section=.comment "$tree/usr/bin/$name"
put 0644 "usr/share/applications/$name.desktop" "$here/desktop/$name.desktop"
for size in 32x32 128x128; do
    put 0644 "usr/share/icons/hicolor/$size/apps/$name.png" "$root/icons/$size.png"
done
put 0644 "usr/share/icons/hicolor/256x256/apps/$name.png" "$root/icons/128x128@2x.png"
put 0644 "usr/share/icons/hicolor/512x512/apps/$name.png" "$root/icons/icon.png"
put 0644 "usr/share/icons/hicolor/scalable/apps/$name.svg" "$root/icons/source/app.svg"
documents="usr/share/doc/$name"
put 0644 "$documents/copyright" "$here/debian/copyright"
sh "$here/third-party.sh" culvert-desktop >"$work/THIRD-PARTY"
put 0644 "$documents/THIRD-PARTY" "$work/THIRD-PARTY"
put 0644 "$documents/CHANGELOG.md" "$root/CHANGELOG.md"
gzip -9n "$tree/$documents/THIRD-PARTY" "$tree/$documents/CHANGELOG.md"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

# Before the tree gets what only Debian has. rpm finds by itself which libraries the program asks for.
rpmbuild -bb --quiet --define "version $version" --define "tree $tree" --define "at_the_end $here/desktop/autostart.sh" \
    --define "_topdir $work/rpm" --define "_rpmdir $work" --define "_rpmfilename $name.rpm" \
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
    --define "_binary_payload w6.xzdio" --define "_buildhost localhost" "$here/desktop/$name.spec" >"$work/rpm.log" 2>&1 || {
    cat "$work/rpm.log" >&2
    exit 1
}

put 0644 "usr/share/lintian/overrides/$name" "$here/desktop/lintian"
maintainer="$(sed -n 's/^Maintainer: //p' "$here/desktop/control")"
printf '%s (%s) stable; urgency=medium\n\n  * What changed is in CHANGELOG.md.gz.\n\n -- %s  %s\n' \
    "$name" "$version" "$maintainer" "$(date -uR -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$work/changelog.gz"
put 0644 "$documents/changelog.gz" "$work/changelog.gz"
mkdir -p "$work/asked/debian" "$tree/DEBIAN"
: >"$work/asked/debian/control"
libraries="$(cd "$work/asked" && dpkg-shlibdeps -O "$tree/usr/bin/$name" 2>"$work/shlibdeps.log")" || {
    cat "$work/shlibdeps.log" >&2
    exit 1
}
put 0755 DEBIAN/postrm "$here/desktop/autostart.sh"
(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
size="$(du -sk --exclude=DEBIAN "$tree" | cut -f 1)"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" \
    -e "s/@LIBRARIES@/${libraries#shlibs:Depends=}/" "$here/desktop/control" >"$tree/DEBIAN/control"

deb="$out/${name}_${version}_$architecture.deb"
dpkg-deb --root-owner-group -Zxz --build "$tree" "$deb" >/dev/null
echo "$deb"
rpm="$out/$name-$version-1.$(uname -m).rpm"
mv "$work/$name.rpm" "$rpm"
echo "$rpm"
