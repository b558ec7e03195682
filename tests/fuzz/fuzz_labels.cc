// SPDX-License-Identifier: Apache-2.0
//
// Any text as each kind of labels.
#include <filesystem>

#include "clients/inferctl/measure/truth.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto labels = ctl::parse_class_labels(text, "labels"); labels.ok()) {
    for (const ctl::LabelledFile& label : *labels) {
      const std::filesystem::path path = "/data" / std::filesystem::path(label.file);
      if (!path.lexically_normal().string().starts_with("/data")) __builtin_trap();
    }
  }
  if (const auto boxes = ctl::parse_boxes(text, "boxes"); boxes.ok()) {
    for (const ctl::TrueBox& box : *boxes) {
      if (!(box.rect.x_max >= box.rect.x_min)) __builtin_trap();
    }
  }
  (void)ctl::parse_names(text, "names");
  return 0;
}
