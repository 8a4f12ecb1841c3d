# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the tests of likeness-cli with LIKENESS_CLI and MAKE_FIXTURE set. Works in a fresh folder, which has the
# files of make-fixture, and speaks TAP.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
"$MAKE_FIXTURE" . || exit 99
count=0
failures=0

cli() { "$LIKENESS_CLI" "$@"; }
tiny() { "$LIKENESS_CLI" "$@" --model tiny.safetensors; }

# check WHAT COMMAND...: the command succeeds.
check() {
  local what=$1 output
  shift
  count=$((count + 1))
  if output=$("$@" 2>&1); then
    echo "ok $count - $what"
  else
    failures=$((failures + 1))
    echo "not ok $count - $what"
    printf '%s\n' "$output" | sed 's/^/# /'
  fi
}

skip() {
  count=$((count + 1))
  echo "ok $count - $1 # SKIP $2"
}

# fails STATUS PATTERN COMMAND...: exit status, exactly one line on stderr that matches, and no file appears.
fails() {
  local status=$1 pattern=$2 got before
  shift 2
  before=$(find . -not -name stderr | sort)
  "$@" >/dev/null 2>stderr
  got=$?
  [ "$got" -eq "$status" ] || { echo "exit status $got instead of $status"; cat stderr; return 1; }
  [ "$(wc -l <stderr)" -eq 1 ] || { echo "not one line:"; cat stderr; return 1; }
  grep -q -- "$pattern" stderr || { echo "the line does not say $pattern:"; cat stderr; return 1; }
  grep -q '^likeness-cli: ' stderr || { echo "the line has no name in front:"; cat stderr; return 1; }
  [ "$before" = "$(find . -not -name stderr | sort)" ] || { echo "files appeared:"; find .; return 1; }
}

differ() { ! cmp -s "$1" "$2"; }
is() { [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }

# png_size FILE: WIDTHxHEIGHT out of the header.
png_size() {
  od -A n -t u1 -j 16 -N 8 "$1" | awk '{ print ($1*256+$2)*65536+$3*256+$4 "x" ($5*256+$6)*65536+$7*256+$8 }'
}

finish() {
  echo "1..$count"
  [ "$failures" -eq 0 ]
}
