#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a program on a display and a message bus of its own.
set -e
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
# Settings and recent files of whoever runs the tests stay untouched; the cache of compiled programs is kept.
export XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_RUNTIME_DIR="$home"
export GSETTINGS_BACKEND=memory GDK_BACKEND=x11 GSK_RENDERER=cairo GTK_A11Y=test NO_AT_BRIDGE=1
unset WAYLAND_DISPLAY
xvfb-run -a -s '-screen 0 1280x800x24' dbus-run-session -- "$@"
