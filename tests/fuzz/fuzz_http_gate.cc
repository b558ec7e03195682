// SPDX-License-Identifier: Apache-2.0
//
// Headers by which pages of other sites are told apart: the lines are Host, Origin, Sec-Fetch-Site
// and Content-Type.
#include <sstream>

#include "daemon/serve/http/gate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd::serve;
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  Request request;
  for (const char* name : {"Host", "Origin", "Sec-Fetch-Site", "Content-Type"}) {
    std::string line;
    if (std::getline(lines, line) && !line.empty()) request.headers[name] = line;
  }
  inferd::config::HttpListener listener;
  listener.loopback = true;
  listener.hosts = {"board"};
  static const Gate gate(listener, Access());
  Route route;
  route.method = Method::kPost;
  route.takes = "application/json";
  const bool passes = !gate.check(request, route);
  const std::string* host = request.header("Host");
  if (passes && host != nullptr && host->find("evil") != std::string::npos) __builtin_trap();
  const std::string* site = request.header("Sec-Fetch-Site");
  if (passes && site != nullptr && *site == "cross-site") __builtin_trap();
  if (passes && request.header("Content-Type") == nullptr) __builtin_trap();
  return 0;
}
