# SPDX-License-Identifier: Apache-2.0
#
# Modules (host/module.h): what of the daemon stands on libraries that most configurations, or whole boards, do without.
add_custom_target(inferd-modules)
set(modules "")

# inferd_module(NAME SOURCES files... LIBRARIES modules of pkg-config... [OPTION option]): where the option is on and the
# libraries are found. Sets INFERD_MODULE_<name> to whether it is there, and makes PkgConfig::INFERD_<name> of its libraries.
function(inferd_module name)
  cmake_parse_arguments(ARG "" "OPTION" "SOURCES;LIBRARIES" ${ARGN})
  file(GLOB own CONFIGURE_DEPENDS ${ARG_SOURCES})
  list(REMOVE_ITEM sources ${own})
  set(sources ${sources} PARENT_SCOPE)
  set(INFERD_MODULE_${name} OFF CACHE INTERNAL "")
  if(NOT ARG_OPTION)
    pkg_check_modules(INFERD_${name} REQUIRED IMPORTED_TARGET GLOBAL ${ARG_LIBRARIES})
  elseif(${ARG_OPTION})
    pkg_check_modules(INFERD_${name} IMPORTED_TARGET GLOBAL ${ARG_LIBRARIES})
  endif()
  if(NOT INFERD_${name}_FOUND OR (ARG_OPTION AND NOT ${ARG_OPTION}))
    return()
  endif()
  set(INFERD_MODULE_${name} ON CACHE INTERNAL "")
  add_library(inferd-module-${name} MODULE ${own})
  inferd_warnings(inferd-module-${name})
  inferd_private(inferd-module-${name})
  set_target_properties(inferd-module-${name} PROPERTIES PREFIX "" OUTPUT_NAME inferd-${name})
  target_include_directories(inferd-module-${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(inferd-module-${name} PRIVATE inferd-module-version PkgConfig::INFERD_${name})
  set(modules ${modules} ${name} PARENT_SCOPE)
endfunction()

list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/host/module_version.cc)
add_library(inferd-module-version OBJECT host/module_version.cc)
target_compile_definitions(inferd-module-version PRIVATE INFERD_VERSION="${PROJECT_VERSION}")
inferd_module(alsa OPTION INFERD_ALSA SOURCES pipeline/sources/alsa.cc LIBRARIES alsa)
inferd_module(frigate OPTION INFERD_FRIGATE SOURCES serve/frigate/frigate_server.cc serve/frigate/zmq_socket.cc
              LIBRARIES "libzmq>=4.3")
inferd_module(gpio OPTION INFERD_GPIO SOURCES pipeline/sinks/gpiod.cc
              LIBRARIES "libgpiod>=1.6" "libgpiod<2")  # 2.0 is another interface
inferd_module(gstreamer OPTION INFERD_GSTREAMER SOURCES pipeline/sources/gstreamer*.cc
              LIBRARIES gstreamer-1.0 gstreamer-app-1.0 gstreamer-video-1.0 gstreamer-audio-1.0)
inferd_module(http SOURCES serve/http/http_server.cc serve/http/body_stream.cc serve/http/form_reader.cc
              serve/http/slow_clients.cc serve/http/tls_session.cc LIBRARIES libmicrohttpd gnutls)
include(web.cmake)
inferd_module(iio OPTION INFERD_IIO SOURCES pipeline/sources/iio*.cc LIBRARIES "libiio>=0.21" "libiio<1")  # 1.0 is another
inferd_module(libcamera OPTION INFERD_LIBCAMERA SOURCES pipeline/sources/libcamera*.cc LIBRARIES libcamera)
inferd_module(mjpeg SOURCES pipeline/sinks/mjpeg.cc pipeline/sinks/mjpeg_server.cc LIBRARIES libmicrohttpd)
inferd_module(mqtt OPTION INFERD_MQTT SOURCES pipeline/mqtt/*.cc pipeline/sinks/mqtt.cc pipeline/sinks/mqtt_client.cc
              pipeline/sources/mqtt.cc LIBRARIES libmosquitto)
inferd_module(webhook OPTION INFERD_WEBHOOK SOURCES pipeline/sinks/webhook.cc LIBRARIES libcurl>=7.85)
