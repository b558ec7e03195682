# SPDX-License-Identifier: Apache-2.0
#
# cmake -DFOLDER=... -DOUTPUT=....cc -P embed_web.cmake: writes C++ that has the files of a folder, packed, in the program.
# A folder that is not there has none.
get_filename_component(place ${OUTPUT} DIRECTORY)
file(MAKE_DIRECTORY ${place})
file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT files)
set(blocks "")
set(rows "")
set(number 0)
foreach(file ${files})
  set(packed ${OUTPUT}.${number}.gz)
  execute_process(COMMAND gzip -9 -n -c INPUT_FILE ${FOLDER}/${file} OUTPUT_FILE ${packed} COMMAND_ERROR_IS_FATAL ANY)
  file(SHA256 ${FOLDER}/${file} checksum)
  string(SUBSTRING ${checksum} 0 32 etag)
  string(APPEND blocks "asm(\".section .rodata\\n.hidden asset_${number}\\n.global asset_${number}\\nasset_${number}:\\n\"
    \".incbin \\\"${packed}\\\"\\n.hidden asset_${number}_end\\n.global asset_${number}_end\\nasset_${number}_end:\\n\"
    \".byte 0\\n.text\\n\");
extern \"C\" const char asset_${number}[], asset_${number}_end[];\n")
  string(APPEND rows "      {\"${file}\", \"\\\"${etag}\\\"\", {asset_${number}, asset_${number}_end}},\n")
  math(EXPR number "${number} + 1")
endforeach()
if(rows STREQUAL "")
  set(body "  return {};\n")
else()
  set(body "  static const Asset assets[] = {\n${rows}  };\n  return assets;\n")
endif()
file(WRITE ${OUTPUT} "// Made by cmake/embed_web.cmake.
#include \"daemon/host/module.h\"
#include \"daemon/serve/http/assets.h\"

${blocks}
namespace inferd::serve {
namespace {

std::span<const Asset> web_assets() {
${body}}

}  // namespace
}  // namespace inferd::serve

INFERD_MODULE_FUNCTION(web_assets, inferd::serve::WebAssets, inferd::serve::web_assets)
")
