// SPDX-License-Identifier: Apache-2.0
//
// What comes with a call that loads a model: the name of a file, up to the first line end, and its
// content, which is also taken for base64 and for a configuration.
#include "daemon/serve/control.h"
#include "package/base64.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const std::string content = line == std::string::npos ? "" : text.substr(line + 1);
  (void)inferd::package::from_base64(content).ok();
  const auto version = inferd::serve::version_of_load(
      "m", {{"file:" + text.substr(0, line), content}, {"config", content}});
  if (version.ok() && (*version)->version.version < 1) __builtin_trap();
  return 0;
}
