# SPDX-License-Identifier: Apache-2.0
#
# What the programs share. With the daemon, each part is a private shared library, so that inferd, inferctl and the modules
# (daemon/host/module.h) have one copy of it on the disk and in memory. An engine alone is an archive, and fuzzers have all in
# one program.
set(INFERD_PRIVATE_LIBDIR ${CMAKE_INSTALL_LIBDIR}/inferd)
set(INFERD_LIBRARY_TYPE STATIC)
if(INFERD_BUILD_DAEMON AND NOT INFERD_BUILD_FUZZERS)
  set(INFERD_LIBRARY_TYPE SHARED)
endif()

# Only the project's own names are seen from outside, and it calls itself directly: without that, each call would be through
# a table and nothing could be inlined. What is inline is in each library that uses it, with its own static variables: where
# there must be one for the process, the function belongs into a .cc file.
set(is_private $<OR:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,SHARED_LIBRARY>,$<STREQUAL:$<TARGET_PROPERTY:TYPE>,MODULE_LIBRARY>>)
add_compile_options($<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,${is_private}>:-fno-semantic-interposition>)
set(INFERD_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/exports.map)

# Programs find the libraries by where they lie themselves, modules and libraries lie beside each other.
file(RELATIVE_PATH libraries_from_bin /${CMAKE_INSTALL_BINDIR} /${INFERD_PRIVATE_LIBDIR})
file(RELATIVE_PATH libraries_from_libexec /${CMAKE_INSTALL_LIBEXECDIR}/inferd /${INFERD_PRIVATE_LIBDIR})
set(CMAKE_INSTALL_RPATH $ORIGIN/${libraries_from_bin} $ORIGIN/${libraries_from_libexec} $ORIGIN)

if(INFERD_LLD)
  # GCC looks for the linker of its own target, where it crosses; LLD is one program for all. From version 15 on it tells the
  # loader that relocations are packed, without which glibc takes none such.
  find_program(INFERD_LLD_PROGRAM NAMES ld.lld-16 ld.lld REQUIRED)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/linker)
  file(CREATE_LINK ${INFERD_LLD_PROGRAM} ${CMAKE_BINARY_DIR}/linker/ld.lld SYMBOLIC)
  add_link_options(-B${CMAKE_BINARY_DIR}/linker -fuse-ld=lld -Wl,-z,pack-relative-relocs)
endif()

# inferd_library(name [sources...]): a library of that kind.
function(inferd_library name)
  add_library(${name} ${INFERD_LIBRARY_TYPE} ${ARGN})
  if(INFERD_LIBRARY_TYPE STREQUAL "SHARED")
    inferd_private(${name})
    set_property(TARGET ${name} PROPERTY CXX_VISIBILITY_PRESET)
    target_link_options(${name} PRIVATE -Wl,-Bsymbolic-functions -Wl,--version-script=${INFERD_EXPORTS})
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${INFERD_EXPORTS})
  endif()
endfunction()

# inferd_private(target): a library or module that lies among the private ones.
function(inferd_private name)
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib INSTALL_RPATH $ORIGIN
                        VISIBILITY_INLINES_HIDDEN ON)
  if(NOT INFERD_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,--no-undefined)
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION ${INFERD_PRIVATE_LIBDIR} COMPONENT runtime)
endfunction()

# inferd_archive(name): the same for programs of others, an archive.
function(inferd_archive name)
  if(NOT INFERD_LIBRARY_TYPE STREQUAL "SHARED")
    install(TARGETS ${name} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
    return()
  endif()
  add_library(${name}-archive STATIC $<TARGET_OBJECTS:${name}> ${ARGN})
  set_target_properties(${name}-archive PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE CXX)
  install(TARGETS ${name}-archive ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
endfunction()

# inferd_small(sources...): what runs at a start, at a change or for a user is made small instead of fast.
function(inferd_small)
  if(NOT INFERD_SANITIZE)
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release,RelWithDebInfo>:-Os>)
  endif()
endfunction()
