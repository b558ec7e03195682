#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The file system that the image is made on, of Debian's own packages as debian:bookworm-slim is: the smallest Debian 12
# without documentation.
#
#   tests/container/base.sh       prints the archive
#
# Kept in <cache>/container until this file changes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
folder=$cache/container
stamp=$(sha256sum <"$0" | cut -c -16)
base=$folder/base-$stamp.tar
if [ ! -e "$base" ]; then
  install_packages mmdebstrap
  release=$(debian_release)
  say "setting up the smallest Debian 12 (some minutes)"
  mkdir -p "$folder"
  rm -f "$folder"/base-*.tar
  mmdebstrap --quiet --mode=root --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    bookworm "$folder/new.tar" "$release" >&2
  mv "$folder/new.tar" "$base"
fi
echo "$base"
