#!/usr/bin/env bash
# Install what the tests need from Debian (file $1, one package a line), or say the line to type.
set -euo pipefail
mapfile -t wanted < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$1" | tr -d ' ')

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

line="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "== installing system tools for the tests: ${missing[*]}"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive $line -qq >/dev/null && exit 0
  echo "warning: apt-get failed; tests that need ${missing[*]} will be skipped and counted" >&2
else
  echo "warning: tests that need ${missing[*]} will be skipped and counted. To have them: sudo $line" >&2
fi
