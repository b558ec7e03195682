#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# overlay.sh ROOT KEY: makes a Debian root a board that is reached by ssh with KEY and starts quickly.
set -eu
root=$1
key=$2
echo board >"$root/etc/hostname"
echo '127.0.0.1 localhost board' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"
install -d -m 700 "$root/root/.ssh"
install -m 600 "$key" "$root/root/.ssh/authorized_keys"
[ -e "$root/etc/ssh/ssh_host_ed25519_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$root/etc/ssh/ssh_host_ed25519_key"
cat >"$root/etc/systemd/network/board.network" <<'EOF'
[Match]
Name=e*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
EOF
# Logs stay over a power cut.
install -d "$root/var/log/journal"
systemctl --quiet --root="$root" enable systemd-networkd.service
systemctl --quiet --root="$root" disable systemd-networkd-wait-online.service
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer getty@tty1.service systemd-timesyncd.service; do
  systemctl --quiet --root="$root" mask "$unit"
done
