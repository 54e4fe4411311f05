#!/usr/bin/env bash
# Create the development environment in $1 and install homecluster into it, editable, with its tools.
set -euo pipefail
venv=$1

find_python() {
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

if ! python=$(find_python); then
  found=$(python3 --version 2>/dev/null || echo "no python3 at all")
  cat >&2 <<EOT
error: homecluster needs Python 3.11 or newer; this PC has $found.
  On Ubuntu 22.04:
    sudo apt-get install -y software-properties-common
    sudo add-apt-repository -y ppa:deadsnakes/ppa
    sudo apt-get install -y python3.11 python3.11-venv python3.11-dev
  Anywhere, without root (uv: https://docs.astral.sh/uv):
    uv python install 3.12 && export PYTHON=\$(uv python find 3.12)
  Then type the same make command again.
EOT
  exit 3
fi

if [ ! -x "$venv/bin/python" ]; then
  echo "== creating $venv with $("$python" --version)"
  if ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
    echo "error: python -m venv failed. On Debian and Ubuntu: sudo apt-get install -y python$version-venv" >&2
    exit 3
  fi
fi

echo "== installing homecluster and its tools (about 100 MB, a minute on a quick line)"
if ! "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --retries 5 --timeout 60 \
  --editable ".[hub,dev,pictures]"; then
  cat >&2 <<EOT
error: pip could not install homecluster; its own words stand above.
  A slow or blocked line: type the same make command again, pip goes on where it was.
  Behind a mirror: set PIP_INDEX_URL to its address first.
EOT
  exit 3
fi
