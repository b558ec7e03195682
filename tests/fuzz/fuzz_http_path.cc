// SPDX-License-Identifier: Apache-2.0
//
// Paths of requests: what a route captures is what the path says, decoded.
#include "daemon/serve/http/routes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd::serve;
  const SyncHandler nothing = [](const Request&) { return Response(); };
  static const Router router({{Method::kGet, "/a", Needs::kNothing, nothing},
                              {Method::kGet, "/a/{x}", Needs::kNothing, nothing},
                              {Method::kPost, "/a/{x}/b/{y}", Needs::kNothing, nothing},
                              {Method::kGet, "/{x}/{y}/{z}", Needs::kNothing, nothing}});
  const std::string_view path(reinterpret_cast<const char*>(data), size);
  for (const char* method : {"GET", "POST"}) {
    const Router::Match match = router.match(method, path);
    if (match.route != nullptr && match.allowed.empty()) __builtin_trap();
    for (const auto& [name, value] : match.captures) {
      const bool was_there = !value.empty() && value.find('\0') == std::string::npos;
      if (!was_there || value.size() > path.size()) __builtin_trap();
    }
  }
  return 0;
}
