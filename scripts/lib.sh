# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What scripts share: packages, configure, build. Sourced; sets `build`, and `root` (the checkout) where it is not set.

root=${root:-$(cd "$(dirname "$0")/.." && pwd)}
build=$root/build/release
# shellcheck disable=SC2034 # for those who source this
cache=${XDG_CACHE_HOME:-$HOME/.cache}/inferd

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# as_root COMMAND...: with sudo when needed.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "Debian packages must be installed ($*), but this is not root and there is no sudo"
  fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages NAME...: those that are missing, and nothing (no network) when none is.
install_packages() {
  missing=
  for package in "$@"; do
    installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "this script installs Debian packages and there is no apt-get; needed:$missing"
  say "installing:$missing"
  as_root apt-get update -q
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

# packages_in FILE...
packages_in() { (cd "$root/scripts" && cat "$@"); }

# The line for mmdebstrap that says where Debian 12 is: where this machine has its own packages from. The release alone:
# interfaces do not change with security updates.
debian_release() {
  # shellcheck disable=SC2016 # apt's own words
  site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
  [ -n "$site" ] || die "apt knows no packages of Debian 12 (bookworm): are its lists there (apt-get update)?"
  echo "deb $site bookworm main"
}

# module_files ROOT RELEASE MODULE...: files of these modules of an unpacked kernel and of what they need, in the order in
# which they are loaded, each once.
module_files() {
  module_root=$1
  module_release=$2
  shift 2
  steps=$(for module in "$@"; do
    modprobe --dirname="$module_root" --set-version "$module_release" --show-depends "$module" || exit 1
  done) || die "the kernel $module_release lacks one of: $*"
  printf '%s\n' "$steps" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# build_release TARGET...: all when none is named.
build_release() {
  say "building (the first time takes some minutes)"
  cmake -S "$root" --preset release >"$root/build-configure.log" 2>&1 || {
    cat "$root/build-configure.log" >&2
    die "configuring failed"
  }
  rm -f "$root/build-configure.log"
  if [ $# -eq 0 ]; then
    cmake --build "$build"
  else
    cmake --build "$build" --target "$@"
  fi
}
