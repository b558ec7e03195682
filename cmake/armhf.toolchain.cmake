# SPDX-License-Identifier: Apache-2.0
# armhf (32-bit ARMv7 with VFPv3) with Debian's cross compiler (g++-arm-linux-gnueabihf).
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(TRIPLET arm-linux-gnueabihf)
set(EMULATOR qemu-arm-static;-cpu;max)
# GCC tells of every argument that it passed otherwise before version 7, which nobody links with.
set(CMAKE_CXX_FLAGS_INIT -Wno-psabi)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
