// SPDX-License-Identifier: Apache-2.0
#include "package/base64.h"

#include <sodium.h>

namespace inferd::package {

Result<std::string> from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  size_t size = 0;
  const char* end = nullptr;
  const bool is_base64 =
      sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), "\r\n", &size, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
      end == text.data() + text.size();
  if (!is_base64) return invalid_argument("is not base64 with padding");
  bytes.resize(size);
  return bytes;
}

}  // namespace inferd::package
