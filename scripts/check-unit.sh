#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# systemd's own opinion of the service unit, in a scratch root where the program exists.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sed "s|@CMAKE_INSTALL_FULL_BINDIR@|$scratch|; s|@CMAKE_INSTALL_FULL_SYSCONFDIR@|/etc|" "$root/systemd/inferd.service.in" >"$scratch/inferd.service"
printf '#!/bin/sh\n' >"$scratch/inferd"
chmod +x "$scratch/inferd"
systemd-analyze verify --man=no "$scratch/inferd.service"
echo "systemd/inferd.service: ok"
