// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string_view>

namespace inferd::host {
namespace {

// Beside the library that this function is in.
std::string path_of(const std::string& name) {
  Dl_info own{};
  std::string folder = ".";
  if (::dladdr(reinterpret_cast<const void*>(&find_in_module), &own) != 0 &&
      own.dli_fname != nullptr) {
    folder = own.dli_fname;
    folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/'));
  }
  return folder + "/inferd-" + name + ".so";
}

Result<void*> load(const std::string& name) {
  const std::string path = path_of(name);
  if (::access(path.c_str(), F_OK) != 0)
    return unimplemented("there is no module '" + name + "' (" + path + ")");
  // Lazily: one may need functions that only newer releases of its library have, and never call
  // them.
  void* const module = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  if (module == nullptr)
    return failed_precondition("the module '" + name + "' cannot be loaded: " + ::dlerror());
  const auto* version = static_cast<const char* const*>(::dlsym(module, "inferd_module_version"));
  if (version == nullptr || std::string_view(*version) != INFERD_VERSION) {
    return failed_precondition("the module '" + name + "' is of inferd " +
                               (version == nullptr ? "of an unknown version" : *version) +
                               ", the daemon that runs is " INFERD_VERSION "; restart it");
  }
  return module;
}

}  // namespace

Result<const void*> find_in_module(const std::string& name, const std::string& symbol) {
  static std::mutex mutex;
  static std::map<std::string, void*> loaded;  // by mutex
  const std::lock_guard lock(mutex);
  void*& module = loaded[name];
  // What could not be loaded is tried anew: its library may have been installed meanwhile.
  if (module == nullptr) {
    INFERD_ASSIGN_OR_RETURN(module, load(name));
  }
  const void* const found = ::dlsym(module, ("inferd_module_" + symbol).c_str());
  if (found == nullptr)
    return internal_error("the module '" + name + "' has no '" + symbol + "': " + ::dlerror());
  return found;
}

}  // namespace inferd::host
