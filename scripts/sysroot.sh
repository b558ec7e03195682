#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A folder with what inferd is linked with on another architecture, for cross compilers: Debian's packages, unpacked and
# never installed (those of two architectures do not all fit beside each other in one system).
#
#   scripts/sysroot.sh arm64|armhf
#
# Prints where it lies, <cache>/sysroot/ARCHITECTURE; makes it anew when the list of packages has changed.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

architecture=${1:-}
case $architecture in
  arm64 | armhf) ;;
  *) die "usage: $0 arm64|armhf" ;;
esac
sysroot=$cache/sysroot/$architecture
packages=$(packages_in packages-build.txt | grep -e '-dev$' | sort -u | paste -sd,)
if [ "$(cat "$sysroot.packages" 2>/dev/null)" != "$packages" ]; then
  install_packages mmdebstrap
  say "unpacking Debian's packages for $architecture into $sysroot"
  rm -rf "$sysroot" "$sysroot.packages"
  mkdir -p "$(dirname "$sysroot")"
  release=$(debian_release)
  mmdebstrap --quiet --mode=root --variant=extract --architectures="$architecture" --skip=check/qemu,essential/unlink,cleanup/apt \
    --include="$packages,libc6-dev,libstdc++-12-dev" bookworm "$sysroot" "$release" >&2
  # Links that begin with '/' mean the machine's own root when they are followed from here.
  find "$sysroot" -type l -lname '/*' -printf '%p %l\n' | while read -r link target; do
    ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$sysroot$target")" "$link"
  done
  # What update-alternatives does where packages are installed.
  for library in "$sysroot"/usr/lib/*/openblas-pthread/libopenblas.so*; do
    ln -sf "openblas-pthread/$(basename "$library")" "$(dirname "$library")/../"
  done
  # Which packages the libraries come from, all in one: this is how dpkg-shlibdeps reads a root of libraries.
  mkdir "$sysroot/DEBIAN"
  for package in "$sysroot"/var/cache/apt/archives/*.deb; do
    for file in symbols shlibs; do
      dpkg-deb --ctrl-tarfile "$package" | tar -x -O "./$file" >>"$sysroot/DEBIAN/$file" 2>/dev/null || :
    done
  done
  rm -rf "$sysroot/var/cache/apt" "$sysroot/var/lib/apt"
  printf '%s\n' "$packages" >"$sysroot.packages"
fi
echo "$sysroot"
