# SPDX-License-Identifier: MIT
# Sourced by try.sh and test.sh: installs Debian packages by name where it can, and says what is missing where not.

# need PACKAGE ... : makes sure that they are installed. Returns 1, and names what is missing, when they are not.
need() {
  local missing=() p
  command -v dpkg-query >/dev/null || {
    echo "This script knows Debian and Ubuntu. Elsewhere install the counterparts of: $*" >&2
    return 1
  }
  for p in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
      sudo=(sudo)
    else
      echo "Missing packages, and no right to install them. As root: apt-get install ${missing[*]}" >&2
      return 1
    fi
  fi
  echo "Installing: ${missing[*]}" >&2
  {
    "${sudo[@]}" apt-get update -q &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
  } >"${TMPDIR:-/tmp}/dftio-apt.$$.log" 2>&1 || {
    tail -n 5 "${TMPDIR:-/tmp}/dftio-apt.$$.log" >&2
    echo "Could not install: ${missing[*]}" >&2
    return 1
  }
  rm -f "${TMPDIR:-/tmp}/dftio-apt.$$.log"
}

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 liburing-dev)
