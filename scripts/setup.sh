#!/bin/sh
# Set-up for "make run" and "make test": a virtual environment, and on Debian and Ubuntu the system
# libraries that Qt and OpenCV need. Run through make, which remembers what is done.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
# Qt offscreen and OpenCV; then what a window under X11 needs on top
LIBRARIES="libgl1 libglib2.0-0 libegl1 libxkbcommon0 libfontconfig1 libdbus-1-3"
LIBRARIES="$LIBRARIES libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0 libxcb-shape0 libxcb-randr0"
LIBRARIES="$LIBRARIES libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libx11-xcb1"

say() { printf '%s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 1; }

is_fitting() { # a Python that pyproject.toml allows
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
    if is_fitting "$candidate"; then
      say "$candidate"
      return
    fi
  done
  stop "Python 3.11, 3.12 or 3.13 is needed and was not found. Install one, or name it: make PYTHON=/path/to/python3.12"
}

# apt_install PACKAGE...: installs as root or through a sudo that asks for nothing; else names the command
apt_install() {
  command -v apt-get >/dev/null 2>&1 ||
    stop "Install them with this system's package manager, then run make again. On Debian they are called: $*"
  if [ "$(id -u)" = 0 ]; then
    as_root="env"
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n env"
  else
    stop "Please run this, then run make again:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
  fi
  say "Installing system libraries: $*"
  # the package lists of a fresh machine are empty or old
  $as_root DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "The package lists could not be renewed; trying with those at hand."
  $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    stop "apt-get could not install them. Please run this and see what it says:
  apt-get install -y --no-install-recommends $*"
}

install() {
  if ! is_fitting "$VENV/bin/python" || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      say "$python comes without the module that makes virtual environments."
      version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
      apt_install "python$version-venv"
    fi
    say "Making a virtual environment in $VENV with $("$python" --version)."
    "$python" -m venv --clear "$VENV"
  fi
  say "Installing what pyproject.toml names, at the versions of constraints.txt. The first time this takes minutes."
  quiet=-q
  if [ -t 1 ]; then quiet=; fi # people want to see the large downloads move
  "$VENV/bin/python" -m pip install $quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
}

libraries() {
  if reason=$("$VENV/bin/python" scripts/check_qt.py 2>&1); then return; fi
  say "$reason"
  apt_install $LIBRARIES
  if ! reason=$("$VENV/bin/python" scripts/check_qt.py 2>&1); then
    stop "$reason
Qt still cannot start, though the libraries it usually lacks are installed."
  fi
}

case "${1:-}" in
  install) install ;;
  libraries) libraries ;;
  *) stop "usage: setup.sh install|libraries" ;;
esac
