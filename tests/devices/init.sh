#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# The first process of the machine that scripts/test-devices.sh starts: takes the files of the host, over which all that is
# written stays in memory, and runs tests/devices/guest.sh on them. Whatever happens, the machine goes off at its end.
export PATH=/bin
/bin/busybox mkdir -p /bin /proc /sys /dev /host /memory /root
/bin/busybox --install -s /bin

run() {
  mount -t proc proc /proc && mount -t devtmpfs dev /dev || return
  while read -r module; do
    insmod "/modules/$module" || return
  done </modules/order
  share=trans=virtio,version=9p2000.L,msize=1048576
  mount -t 9p -o "$share,ro,cache=loose" host /host && mount -t tmpfs memory /memory || return
  mkdir /memory/written /memory/work
  mount -t overlay -o lowerdir=/host,upperdir=/memory/written,workdir=/memory/work root /root || return
  mkdir -p /root/proc /root/sys /root/dev /root/run /root/tmp /root/var/tmp
  mount -t proc proc /root/proc && mount -t sysfs sys /root/sys && mount -t devtmpfs dev /root/dev || return
  for folder in run tmp var/tmp; do
    mount -t tmpfs tmp "/root/$folder" || return
  done
  mkdir -p /root/run/results
  mount -t 9p -o "$share,rw,cache=none" results /root/run/results || return
  chroot /root /bin/sh /run/results/guest.sh
}

run || echo "the machine for devices could not be set up"
sync
poweroff -f
