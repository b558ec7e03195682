// SPDX-License-Identifier: Apache-2.0
//
// Modules: parts of the daemon that stand on large libraries most configurations do not use
// (GStreamer, libcamera, an HTTP server). Each is a shared library that lies beside the daemon's
// own, loaded when the configuration first asks for it and kept to the end: what is not asked for
// costs neither memory nor time to start, and its libraries need not be installed.
//
// A module is made by inferd_module() of daemon/modules.cmake. It exports, by names that begin with
// inferd_module_, pointers to its functions (INFERD_MODULE_FUNCTION below).
#pragma once

#include <string>

#include "inferd/engine/status.h"

namespace inferd::host {

// The address of what the module `name` exports as inferd_module_`symbol`, valid to the end of the
// process. Loads the module if it is not loaded yet. UNIMPLEMENTED: this build lacks it.
// FAILED_PRECONDITION: it cannot be loaded because a library is not installed or since it is of
// another version than the daemon that runs, as after an upgrade. Thread-safe.
Result<const void*> find_in_module(const std::string& name, const std::string& symbol);

// The same for a function: where a pointer to it lies, `Function` being the type of such pointers.
template <class Function>
Result<const Function*> function_in_module(const std::string& name, const std::string& symbol) {
  INFERD_ASSIGN_OR_RETURN(const void* found, find_in_module(name, symbol));
  return static_cast<const Function*>(found);
}

}  // namespace inferd::host

// Exports `function` as `symbol`, in the global namespace of a module. `Function` is the type that
// function_in_module() is asked for.
#define INFERD_MODULE_FUNCTION(symbol, Function, function)                             \
  extern "C" {                                                                         \
  extern __attribute__((visibility("default"))) const Function inferd_module_##symbol; \
  const Function inferd_module_##symbol = function;                                    \
  }
