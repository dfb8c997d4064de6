#!/bin/sh
# Draws every icon anew from source/*.svg. Needs rsvg-convert, icotool and png2icns
# (Debian: librsvg2-bin icoutils icnsutils); what it writes is committed.
#
#   tray/STATE-light.png     for light panels      tray/STATE-dark.png   for dark panels
#   tray/STATE-template.png  for macOS, which colours it itself: black and alpha
set -eu
cd "$(dirname "$0")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p tray

# draw SIZE SVG PNG
draw() { rsvg-convert --width "$1" --height "$1" "$2" --output "$3"; }

# The exclamation mark alone is coloured: shape tells the state, colour only repeats it.
# Four times 16 and twice 32, so that a panel which scales down meets whole pixels.
tray() {
    printf 'svg { color: %s } .mark { fill: %s }\n' "$2" "$3" >"$work/panel.css"
    for state in off connecting online attention; do
        rsvg-convert --stylesheet "$work/panel.css" --width 64 --height 64 \
            "source/$state.svg" --output "tray/$state-$1.png"
    done
}
tray light '#1b1f23' '#b3261e'
tray dark '#f4f6f7' '#ff8d83'
tray template '#000000' '#000000'

for size in 16 32 48 64 128 256 512 1024; do
    draw "$size" source/app.svg "$work/$size.png"
done
cp "$work/32.png" 32x32.png
cp "$work/128.png" 128x128.png
cp "$work/256.png" 128x128@2x.png
cp "$work/512.png" icon.png
icotool --create --output icon.ico \
    "$work/16.png" "$work/32.png" "$work/48.png" "$work/64.png" --raw="$work/256.png"
png2icns icon.icns "$work/16.png" "$work/32.png" "$work/48.png" "$work/128.png" \
    "$work/256.png" "$work/512.png" "$work/1024.png" >/dev/null
