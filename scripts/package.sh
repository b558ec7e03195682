#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds inferd's Debian packages for several architectures on one machine:
#
#   scripts/package.sh [amd64|arm64|armhf]...     this machine's when none is named
#
# They come to build/packages, debug symbols apart (-dbgsym).
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

native=$(dpkg --print-architecture)
[ $# -gt 0 ] || set -- "$native"
for architecture in "$@"; do
  case $architecture in
    amd64 | arm64 | armhf) ;;
    *) die "there are packages for amd64, arm64 and armhf, not for '$architecture'" ;;
  esac
done
version=$(sed -n 's/^project(inferd VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
packages=$root/build/packages
mkdir -p "$packages"
# The same sources give the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

# The names of all sources: what git knows of, or all files where there is no repository, as in a container.
sources() {
  git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . -path ./build -prune -o ! -type d -print0
}

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt packages-package.txt)
command -v npm >/dev/null || install_packages npm
say "building the dashboard's page"
# The same for all of them.
"$root/scripts/build-web.sh" >&2 || say "not reachable: packages come without the dashboard's page"
for architecture in "$@"; do
  sysroot=
  preset=packaged
  if [ "$architecture" != "$native" ]; then
    case $architecture in
      amd64) die "packages for amd64 are built on amd64" ;;
      arm64) install_packages g++-aarch64-linux-gnu qemu-user-static ;;
      armhf) install_packages g++-arm-linux-gnueabihf qemu-user-static ;;
    esac
    sysroot=$("$root/scripts/sysroot.sh" "$architecture")
    preset=$architecture-cross
  fi
  say "building for $architecture"
  cd "$root"
  cmake --preset "$preset" -D INFERD_SYSROOT="$sysroot" -D INFERD_WEB_ASSETS="$build/web" >"$root/build/$preset.log" 2>&1 || {
    cat "$root/build/$preset.log" >&2
    die "configuring failed"
  }
  rm -f "$root/build/$preset.log"
  cmake --build --preset "$preset"

  # debhelper wants the sources with its folder `debian` in them, and writes packages beside them.
  work=$packages/work-$architecture
  rm -rf "$work"
  mkdir -p "$work/source"
  sources | tar -c --null -T - | tar -x -C "$work/source"
  mv "$work/source/packaging/debian" "$work/source/debian"
  cat >"$work/source/debian/changelog" <<EOF
inferd ($version) unstable; urgency=medium

  * See /usr/share/doc/inferd/CHANGELOG.md.

 -- inferd maintainers <maintainers@inferd.invalid>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
EOF
  say "packaging for $architecture"
  # What it is built from is here or in the sysroot, so dpkg need not look (-d).
  (cd "$work/source" && INFERD_BUILD=$root/build/$preset INFERD_SYSROOT=$sysroot \
    dpkg-buildpackage --host-arch "$architecture" -d -b -us -uc -Pnocheck >"$work/log" 2>&1) || {
    tail -40 "$work/log" >&2
    die "packaging failed; all of it is in $work/log"
  }
  mv "$work"/*.deb "$packages"
  rm -rf "$work"
done
say "packages:"
for package in "$packages"/*.deb; do
  printf '%-50s %8d kB, %d kB installed\n' "$(basename "$package")" "$(($(stat -c %s "$package") / 1024))" \
    "$(dpkg-deb -f "$package" Installed-Size)"
done
