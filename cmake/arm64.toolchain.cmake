# SPDX-License-Identifier: Apache-2.0
# arm64 with Debian's cross compiler (g++-aarch64-linux-gnu); programs run under qemu-user.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(TRIPLET aarch64-linux-gnu)
set(EMULATOR qemu-aarch64-static;-cpu;max)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
