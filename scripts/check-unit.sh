#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# systemd's own opinion of what is installed for it, in a scratch root where the program exists: units, users, temporary
# files; and how much of the machine the service can reach (0 to 10), which must not grow.
set -euo pipefail
most=1.5
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# unit NAME TEMPLATE INSTANCE CONFIG DIRECTORY: as systemd/CMakeLists.txt makes it.
unit() {
  sed "s|@CMAKE_INSTALL_FULL_BINDIR@|$scratch|; s|@CMAKE_INSTALL_FULL_SYSCONFDIR@|/etc|; s|@UNIT_INSTANCE@|$3|;
       s|@UNIT_CONFIG@|$4|; s|@UNIT_DIRECTORY@|$5|g" "$root/systemd/$2" >"$scratch/$1"
  if grep -n '@[A-Z_]*@' "$scratch/$1"; then
    echo "systemd/$2: these stand for nothing" >&2
    exit 1
  fi
}
unit inferd.service inferd.service.in "" inferd inferd
unit inferd.socket inferd.socket.in "" inferd inferd
unit inferd@.service inferd.service.in " (%i)" %i inferd-%i
unit inferd@.socket inferd.socket.in " (%i)" %i inferd-%i
printf '#!/bin/sh\n' >"$scratch/inferd"
chmod +x "$scratch/inferd"
# An instance stands for its template.
cp "$scratch/inferd@.service" "$scratch/inferd@arm.service"
cp "$scratch/inferd@.socket" "$scratch/inferd@arm.socket"
for name in inferd.service inferd.socket inferd@arm.service inferd@arm.socket; do
  said=$(systemd-analyze verify --man=no "$scratch/$name" 2>&1) || { echo "$said" >&2; exit 1; }
  # Unknown keys are warnings to it.
  if grep "^$scratch" <<<"$said" >&2; then exit 1; fi
done
threshold=$(tr -d . <<<"$most")
if ! report=$(systemd-analyze security --offline=true --no-pager --threshold="$threshold" "$scratch/inferd.service"); then
  grep -v '^✓' <<<"$report" >&2
  echo "systemd/inferd.service.in: the exposure is above $most" >&2
  exit 1
fi
for dropin in can.conf iio.conf; do
  mkdir -p "$scratch/inferd.service.d"
  cp "$root/systemd/$dropin" "$scratch/inferd.service.d/"
  said=$(systemd-analyze verify --man=no "$scratch/inferd.service" 2>&1) || { echo "$said" >&2; exit 1; }
  if grep "$dropin" <<<"$said" >&2; then exit 1; fi
done
mkdir -p "$scratch/root/usr/lib/sysusers.d" "$scratch/root/usr/lib/tmpfiles.d" "$scratch/root/etc"
cp "$root/systemd/inferd.sysusers" "$scratch/root/usr/lib/sysusers.d/inferd.conf"
cp "$root/systemd/inferd.tmpfiles" "$scratch/root/usr/lib/tmpfiles.d/inferd.conf"
systemd-sysusers --root="$scratch/root" inferd.conf 2>/dev/null
grep -q '^inferd:' "$scratch/root/etc/passwd"
grep -q '^gpio:.*inferd' "$scratch/root/etc/group"
systemd-tmpfiles --root="$scratch/root" --create inferd.conf 2>/dev/null
test -d "$scratch/root/run/inferd"
echo "systemd/: ok, exposure at most $most"
