#!/bin/sh
# Each user's own entry that starts the app at login goes with the app: it would start nothing. It is the users' file,
# so it is removed with their rights alone, and only if it starts the app that goes. Profiles stay.
set -e

if [ "$1" = remove ] || [ "$1" = 0 ]; then
    getent passwd | while IFS=: read -r user _ id _ _ home _; do
        [ "$id" -eq 0 ] || [ "$id" -ge 1000 ] || continue
        for entry in "$home"/.config/autostart/*.desktop; do
            [ -f "$entry" ] && grep -q '^Exec="\{0,1\}/usr/bin/culvert-desktop' "$entry" || continue
            runuser -u "$user" -- rm -f "$entry" </dev/null || true
        done
    done
fi
