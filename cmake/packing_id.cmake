# SPDX-License-Identifier: Apache-2.0
#
# Writes engine/kernels/packing_id.cc: cmake -D FOLDER=engine/kernels -D OUTPUT=packing_id.cc -P packing_id.cmake
file(GLOB_RECURSE sources RELATIVE ${FOLDER} ${FOLDER}/*.h ${FOLDER}/*.cc)
list(SORT sources)
set(hashes "")
foreach(source ${sources})
  file(SHA256 ${FOLDER}/${source} hash)
  string(APPEND hashes "${source} ${hash}\n")
endforeach()
string(SHA256 id "${hashes}")
string(SUBSTRING ${id} 0 16 id)
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
// Made by cmake/packing_id.cmake.
#include "engine/kernels/packing_id.h"

namespace inferd::kernels {

std::string_view packing_id() { return "@id@"; }

}  // namespace inferd::kernels
]])
