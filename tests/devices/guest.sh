#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What the machine of scripts/test-devices.sh does once it has the files of the host: devices of the kernel's test drivers,
# then the tests. Leaves their exit status in /run/results/status; without one, something before them failed.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 INFERD_REQUIRE_DEVICES=1
export SYSTEMD_IGNORE_CHROOT=1  # udevadm does nothing in what it takes for one
results=/run/results

seconds() { cut -d . -f 1 /proc/uptime; }

began=$(seconds)
mkdir -p /lib/modules /dev/pts /dev/shm
mount --bind "$(cat "$results/modules")" /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t debugfs debug /sys/kernel/debug
ip link set lo up
# Which says what devices come and go, and who may open them.
/lib/systemd/systemd-udevd --daemon
modprobe configfs
mount -t configfs config /sys/kernel/config
modprobe vivid n_devs=1
modprobe -a vcan can-raw gpio-sim vimc iio_dummy iio-trig-hrtimer
mkdir /sys/kernel/config/iio/devices/dummy/iio_dummy_inferd
mkdir /sys/kernel/config/iio/triggers/hrtimer/inferd-trigger
udevadm trigger
udevadm settle
echo "==> devices: $(($(seconds) - began)) s, after $began s of starting" >&2

cd "$(cat "$results/checkout")"
began=$(seconds)
status=0
sh "$results/command" || status=$?
echo "==> tests: $(($(seconds) - began)) s" >&2
echo "$status" >"$results/status"
