# SPDX-License-Identifier: Apache-2.0
#
# What the toolchain files share. TRIPLET names Debian's cross compiler, INFERD_SYSROOT (made by scripts/sysroot.sh)
# holds the libraries; without it there is only the C++ library, which is all that the engine alone wants.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES INFERD_SYSROOT)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${TRIPLET}-gcc)
set(CMAKE_CXX_COMPILER ${TRIPLET}-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)  # protoc and its like run here
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(emulated_root /usr/${TRIPLET})
if(INFERD_SYSROOT)
  if(NOT EXISTS ${INFERD_SYSROOT}/usr/include)
    message(FATAL_ERROR "There are no libraries in ${INFERD_SYSROOT}; make them with scripts/sysroot.sh")
  endif()
  set(CMAKE_SYSROOT ${INFERD_SYSROOT})
  set(CMAKE_LIBRARY_ARCHITECTURE ${TRIPLET})
  set(ENV{PKG_CONFIG_SYSROOT_DIR} ${INFERD_SYSROOT})
  set(ENV{PKG_CONFIG_LIBDIR} ${INFERD_SYSROOT}/usr/lib/${TRIPLET}/pkgconfig:${INFERD_SYSROOT}/usr/share/pkgconfig)
  set(emulated_root ${INFERD_SYSROOT})
endif()
set(CMAKE_CROSSCOMPILING_EMULATOR ${EMULATOR};-L;${emulated_root})
