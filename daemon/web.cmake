# SPDX-License-Identifier: Apache-2.0
#
# The dashboard's page (clients/web) in the module `http`: as npm builds it, or as it lies in INFERD_WEB_ASSETS.
option(INFERD_BUILD_WEB "Build the dashboard's page, with npm, which fetches what package-lock.json names" OFF)
set(INFERD_WEB_ASSETS ${CMAKE_BINARY_DIR}/web CACHE PATH "Folder of the dashboard's page as it was built")
set(page ${CMAKE_SOURCE_DIR}/clients/web)
if(INFERD_BUILD_WEB)
  find_program(NPM npm REQUIRED)
  file(GLOB_RECURSE page_files CONFIGURE_DEPENDS ${page}/src/* ${page}/*.html ${page}/*.json ${page}/*.ts ${page}/*.js
       ${page}/public/* ${CMAKE_SOURCE_DIR}/proto/inferd/v1/*.proto)
  list(FILTER page_files EXCLUDE REGEX "/(node_modules|dist)/")
  set(assets ${INFERD_WEB_ASSETS}/index.html)
  add_custom_command(
    OUTPUT ${assets}
    COMMAND ${NPM} install --no-save --no-audit --no-fund
    COMMAND ${NPM} run build -- --outDir ${INFERD_WEB_ASSETS} --emptyOutDir
    COMMAND ${CMAKE_COMMAND} -E touch ${assets}
    WORKING_DIRECTORY ${page} DEPENDS ${page_files} VERBATIM)
else()
  file(GLOB_RECURSE assets CONFIGURE_DEPENDS ${INFERD_WEB_ASSETS}/*)
endif()
set(embedded ${CMAKE_CURRENT_BINARY_DIR}/web/assets.cc)
add_custom_command(
  OUTPUT ${embedded}
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${INFERD_WEB_ASSETS} -DOUTPUT=${embedded} -P ${CMAKE_SOURCE_DIR}/cmake/embed_web.cmake
  DEPENDS ${assets} ${CMAKE_SOURCE_DIR}/cmake/embed_web.cmake VERBATIM)
target_sources(inferd-module-http PRIVATE ${embedded})
