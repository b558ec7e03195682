#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# drivers.sh KERNEL RELEASE SOURCE [VARIABLE=VALUE...]
#
# Compiles the drivers of modules/, which Debian's kernels lack, for the kernel RELEASE whose packages are unpacked, with those of
# its headers, in the folder KERNEL, into its lib/modules/RELEASE/extra. SOURCE: linux-source's archive. Variables go to make.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernel=$1
release=$2
source=$3
shift 3
headers=$kernel/usr/src/linux-headers-$release
drivers=$(mktemp -d)
trap 'rm -rf "$drivers"' EXIT
# The only absolute path in there.
sed -i "s|^include /usr/src/|include $kernel/usr/src/|" "$headers/Makefile"
tar -C "$drivers" --strip-components=1 -xJf "$source" --wildcards --files-from="$here/modules/sources"
cp "$here/modules/"* "$drivers"
make -C "$headers" "M=$drivers" "$@" modules >"$drivers/make.log" 2>&1 || {
  cat "$drivers/make.log" >&2
  echo "drivers.sh: the drivers do not compile" >&2
  exit 1
}
mkdir -p "$kernel/lib/modules/$release/extra"
find "$drivers" -name '*.ko' -exec cp '{}' "$kernel/lib/modules/$release/extra/" \;
