#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
#   start.sh ROOT USER STATE SOCKETS CONFIG COMMAND...
#
# What a container engine does with the image ROOT under docker/compose.yaml: namespaces of its own (but for the network), a
# root that nobody can write, /tmp in memory, the two volumes, the configuration, and USER without any capability. The command
# is process 1 there. Its environment is this program's.
set -eu
if [ "${INFERD_UNSHARED:-}" != yes ]; then
  export INFERD_UNSHARED=yes
  exec unshare --mount --propagation private --pid --fork --kill-child --ipc --uts -- "$0" "$@"
fi
unset INFERD_UNSHARED
root=$1 user=$2 state=$3 sockets=$4 config=$5
shift 5
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,size=64k,mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs -o nosuid,nodev,noexec,size=64m,mode=1777 tmpfs "$root/dev/shm"
mount --bind /sys "$root/sys"
mount -o remount,bind,ro "$root/sys"
mount -t tmpfs -o nosuid,nodev,size=64m,mode=1777 tmpfs "$root/tmp"
mount --bind "$state" "$root/var/lib/inferd/models"
mount --bind "$sockets" "$root/run/inferd"
mount --bind "$config" "$root/etc/inferd/inferd.yaml"
mount -o remount,bind,ro "$root/etc/inferd/inferd.yaml"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"
