#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Files compiled for an instruction set that not every CPU has must not define symbols that the linker merges
# with equal ones of other files (inline functions, templates): whichever copy it keeps serves the whole
# program, and the wrong one stops an older CPU with an illegal instruction. Prints such symbols and fails.
#
#   scripts/check-isa-symbols.sh BUILD_FOLDER      (an optimised build)
set -eu

build=${1:?usage: check-isa-symbols.sh BUILD_FOLDER}
objects=$(find "$build/engine" -path '*/kernels/*.o' \
  \( -path '*/avx*' -o -path '*/neon_*' \))
objects="$objects $(find "$build/media" -path '*/resample/*.o' \( -name 'avx*' -o -name 'sse*' \))"
if [ -z "$objects" ]; then
  echo "check-isa-symbols: no kernels in $build" >&2
  exit 1
fi
status=0
for object in $objects; do
  merged=$(nm -C --defined-only "$object" | grep -E ' [WVu] ' || true)
  if [ -n "$merged" ]; then
    printf '%s defines symbols the linker may share:\n%s\n' "$object" "$merged" >&2
    status=1
  fi
done
exit $status
