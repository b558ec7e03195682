#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests that need devices of the kernel (cameras, CAN, GPIO lines, sensors) on the kernel's own simulated ones, in
# a small virtual machine: this machine's kernel need not have them, and nothing is installed or loaded here. The machine
# has Debian's kernel and sees this machine's files, but what it writes stays in its memory.
#
#   scripts/test-devices.sh [--filter GTEST_FILTER] [COMMAND...]
#
# COMMAND (a shell's) runs there, in the checkout, instead of the test programs; with --filter, only that of GoogleTest
# does. The exit status is that of the tests, or 77 where the machine's kernel cannot be downloaded. The first time downloads some 220 MB of packages and compiles drivers; ~/.cache/inferd/devices keeps what comes of it.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

every=yes  # test
filter='V4l2Kernel.*:CanInterface.*:GpioKernel.*:Iio*Kernel*:LibcameraKernel.*'
if [ "${1:-}" = --filter ]; then
  [ $# -ge 2 ] || die "--filter needs a filter of GoogleTest"
  filter=$2
  every=no
  shift 2
fi
limit_s=600  # for the whole machine

# need PROGRAM PACKAGE
missing_packages=
need() { command -v "$1" >/dev/null || [ -x "$1" ] || missing_packages="$missing_packages $2"; }
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
need modprobe kmod
need ip iproute2
need /lib/systemd/systemd-udevd udev
[ "$(uname -m)" = x86_64 ] || die "runs on x86-64 only"
[ -z "$missing_packages" ] || die "these packages are missing: apt-get install$missing_packages"
for folder in "$root" "$cache"; do
  case $folder in
    /tmp/* | /run/* | /var/tmp/*) die "$folder: the machine has folders of its own in place of /tmp, /run and /var/tmp" ;;
  esac
done

devices=$cache/devices
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

last=$(date +%s)
# took WHAT: says how long that took since the last call.
took() {
  now=$(date +%s)
  say "$1: $((now - last)) s"
  last=$now
}

# unpack FOLDER PACKAGE...: into FOLDER, without installing them.
unpack() {
  folder=$1
  shift
  mkdir -p "$scratch/packages"
  rm -f "$scratch/packages/"*.deb
  (cd "$scratch/packages" && apt-get download -q "$@" >"$scratch/apt.log" 2>&1) || {
    cat "$scratch/apt.log" >&2
    say "cannot download: $*; is there a network, and are Debian's lists of packages new (apt-get update)?"
    exit 77
  }
  for package in "$scratch"/packages/*.deb; do
    dpkg-deb --extract "$package" "$folder"
  done
}

# Drivers that Debian's kernel lacks, from its source, into the unpacked kernel $1 of release $2.
build_drivers() {
  for tool in make gcc-12 xz; do
    command -v $tool >/dev/null || die "$tool is missing, which compiles drivers"
  done
  unpack "$1" "linux-headers-$2" "linux-headers-${2%-*}-common" linux-kbuild-6.1
  unpack "$scratch/source" linux-source-6.1
  "$root/tests/devices/drivers.sh" "$1" "$2" "$scratch/source/usr/src/linux-source-6.1.tar.xz" || die "no drivers"
}

# The kernel lies in $devices/kernel, with `release` in it, once all is there. Made anew when the list of drivers changes.
recipe=$(cat "$root/tests/devices/modules/"* | sha256sum | cut -d ' ' -f 1)
kernel=$devices/kernel-$(printf %.12s "$recipe")
if [ ! -f "$kernel/release" ]; then
  command -v apt-get >/dev/null || die "gets a kernel with apt-get, which is not here"
  fresh=$(mkdir -p "$devices" && mktemp -d "$devices/new.XXXXXX")
  trap 'rm -rf "$scratch" "$fresh"' EXIT
  image=$(apt-cache depends linux-image-amd64 | sed -n 's/ *Depends: //p')
  [ -n "$image" ] || {
    say "apt knows no package linux-image-amd64: are Debian's lists of packages there (apt-get update)?"
    exit 77
  }
  release=${image#linux-image-}
  unpack "$fresh" "$image"
  took "Debian's kernel $release"
  build_drivers "$fresh" "$release"
  depmod -b "$fresh" "$release"
  rm -rf "${fresh:?}/usr" "$fresh/lib/modules/$release/build" "$fresh/lib/modules/$release/source"
  echo "$release" >"$fresh/release"
  chmod 755 "$fresh"
  mv "$fresh" "$kernel"
  took "drivers"
fi
release=$(cat "$kernel/release")
touch "$kernel/release"
# Those of other branches stay for a week.
find "$devices" -mindepth 2 -maxdepth 2 -name release -mtime +7 | while read -r unused; do
  rm -rf "$(dirname "$unused")"
done

# What the machine needs until it sees this machine's files.
initramfs=$scratch/initramfs
mkdir -p "$initramfs/bin" "$initramfs/modules"
cp "$(command -v busybox)" "$initramfs/bin/busybox"
cp "$root/tests/devices/init.sh" "$initramfs/init"
chmod 755 "$initramfs/init"
module_files "$kernel" "$release" virtio_pci 9pnet_virtio 9p overlay >"$scratch/modules"
while read -r path; do
  cp "$path" "$initramfs/modules/"
  basename "$path"
done <"$scratch/modules" >"$initramfs/modules/order"
(cd "$initramfs" && find . | cpio --quiet -o -H newc) >"$scratch/initramfs.cpio"

results=$scratch/results
mkdir "$results"
cp "$root/tests/devices/guest.sh" "$results"
echo "$root" >"$results/checkout"
echo "$kernel/lib/modules" >"$results/modules"
if [ $# -gt 0 ]; then
  echo "$*" >"$results/command"
else
  program=$build/tests/unit/unit-pipeline-test
  [ -x "$program" ] || die "there is no $program; cmake --build build/release --target unit-pipeline-test"
  {
    echo 'status=0'
    echo "'$program' --gtest_filter='$filter' || status=1"
    # The first minutes of a user: from a camera to a pipeline that runs.
    [ $every = no ] || echo "/usr/bin/python3 -B tests/integration/setup_test.py --inferd '$build/daemon/inferd' \
      --inferctl '$build/clients/inferctl' --models '${INFERD_TEST_MODELS:-$root/../shared/models}' || status=1"
    echo "exit \$status"
  } >"$results/command"
fi
took "preparing"

# Without KVM: where this machine is a virtual one itself, it may be there and not work. An emulated timer may be late, which
# its kernel would take for broken.
say "starting a machine with kernel $release"
timeout "$limit_s" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1536 -nodefaults -no-reboot \
  -display none -serial stdio -nic none -kernel "$kernel/boot/vmlinuz-$release" -initrd "$scratch/initramfs.cpio" \
  -append "console=ttyS0 quiet panic=-1 no_timer_check nowatchdog" \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  -virtfs "local,path=$results,mount_tag=results,security_model=none" </dev/null || die "qemu failed, or took $limit_s s"
took "the machine"
[ -f "$results/status" ] || die "the machine did not come to run the tests; what it said is above"
exit "$(cat "$results/status")"
