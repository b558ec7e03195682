#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What the emulated board starts from: an arm64 Debian with systemd, ssh and the libraries that inferd wants, a stock
# kernel, and a small initial root that finds the disk. Nothing of inferd is in it.
#
#   tests/board/image.sh       prints the folder: disk.img vmlinuz initrd.img key
#
# Kept in <cache>/board until its parts change. Making it takes minutes: packages are set up under emulation.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
board=$cache/board

libraries=$(packages_in packages-runtime.txt | grep '^lib' | paste -sd,)
packages=systemd-sysv,udev,kmod,dbus,iproute2,procps,openssh-server,zlib1g,$libraries
# Of the kernel: up to the disk, and the network, a camera and what the service asks for.
disk_modules="virtio_mmio virtio_blk ext4"
modules="$disk_modules virtio_net virtio_rng vivid vimc warm industrialio autofs4 configfs"

stamp=$(cat "$0" "$here/overlay.sh" "$here/../devices/drivers.sh" "$here/../devices/modules/"* | sha256sum | cut -c -16)-$(printf %s "$packages" | sha256sum | cut -c -16)
if [ "$(cat "$board/stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "$board"
  exit
fi

mkdir -p "$board"
cd "$board"
rm -f stamp
# Programs of another architecture run by the kernel's own means.
if [ ! -e /proc/sys/fs/binfmt_misc/register ]; then
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
fi
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64

mirror=$(debian_release)
system=$board/root
rm -rf "$system" kernel
if [ "$(cat rootfs.packages 2>/dev/null)" != "$packages" ]; then
  say "setting up Debian for arm64 under emulation (about ten minutes)"
  mmdebstrap --quiet --mode=root --variant=minbase --architectures=arm64 --include="$packages" bookworm rootfs.tar "$mirror" >&2
  printf %s "$packages" >rootfs.packages
fi
say "unpacking"
mkdir root
tar -x -f rootfs.tar -C root
mmdebstrap --quiet --mode=root --variant=extract --architectures=arm64 --skip=check/qemu \
  --include=linux-image-arm64,linux-headers-arm64,linux-source-6.1,libcamera-ipa,busybox-static bookworm kernel "$mirror" >&2
version=$(basename kernel/lib/modules/*)
cp "kernel/boot/vmlinuz-$version" vmlinuz
say "compiling drivers"
# Programs of the headers are arm64 ones.
QEMU_LD_PREFIX=$board/kernel "$here/../devices/drivers.sh" "$board/kernel" "$version" kernel/usr/src/linux-source-6.1.tar.xz \
  ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-
# What is in libcamera-ipa needs no setting up.
cp -r kernel/usr/lib/aarch64-linux-gnu/libcamera root/usr/lib/aarch64-linux-gnu/
cp -r kernel/usr/share/libcamera root/usr/share/

# Those modules and what they need. modprobe tells, once depmod has listed them all.
depmod -b kernel "$version"
# shellcheck disable=SC2086 # a list of words
module_files "$board/kernel" "$version" $modules >modules.list
while read -r file; do
  target=root/usr/lib/modules/$version/${file#*/lib/modules/"$version"/}
  mkdir -p "$(dirname "$target")"
  cp "$file" "$target"
done <modules.list
cp "kernel/lib/modules/$version/"modules.builtin* "kernel/lib/modules/$version/modules.order" "root/usr/lib/modules/$version/"
depmod -b root "$version"

# The initial root: busybox, and the modules up to the disk.
rm -rf initial
mkdir -p initial/bin initial/proc initial/sys initial/dev initial/root initial/modules
cp kernel/bin/busybox initial/bin/
# shellcheck disable=SC2086 # a list of words
module_files "$board/kernel" "$version" $disk_modules >initial.list
while read -r file; do
  cp "$file" initial/modules/
  echo "/bin/busybox insmod /modules/$(basename "$file")"
done <initial.list >insmod.list
cat >initial/init <<EOF
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
$(cat insmod.list)
while [ ! -b /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox umount /proc /sys
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
EOF
chmod +x initial/init
(cd initial && find . | cpio --quiet -o -H newc) | gzip -1 >initrd.img

[ -e key ] || ssh-keygen -q -t ed25519 -N '' -f key
sh "$here/overlay.sh" "$system" "$board/key.pub"
say "making the disk"
rm -f disk.img
truncate -s 3G disk.img
mke2fs -q -t ext4 -d root disk.img
rm -rf root kernel initial initial.list insmod.list modules.list
echo "$stamp" >stamp
echo "$board"
