// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/attributes.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/op_fields.h"

namespace inferd::ops {
namespace {

template <typename T>
bool parse(std::string_view text, T* value) {
  if constexpr (std::is_same_v<T, bool>) {
    *value = text == "true";
    return text == "true" || text == "false";
  } else if constexpr (std::is_enum_v<T>) {
    const std::optional<T> found = enumerator_of<T>(text);
    if (found) *value = *found;
    return found.has_value();
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    return error == std::errc() && end == text.data() + text.size();
  }
}

bool parse(std::string_view text, int64_t* value) {
  *value = kSliceEnd;
  return text == "end" || parse<int64_t>(text, value);
}

template <typename T>
bool parse(std::string_view text, std::vector<T>* values) {
  values->clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (!parse(text.substr(0, comma), &values->emplace_back())) return false;
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return true;
}

// Visits members, those of inner structs too, until one has the wanted name.
struct Setter {
  std::string_view name, text;
  bool found = false;
  bool parsed = false;

  template <typename T>
  void operator()(std::string_view member, T& value) {
    if constexpr (HasFields<T>) {
      visit_fields(value, *this);
    } else if (!found && member == name) {
      found = true;
      parsed = parse(text, &value);
    }
  }
};

}  // namespace

Status set_attribute(OpAttrs* attrs, const std::string& name, const std::string& value) {
  Setter setter{name, value};
  std::visit([&](auto& alternative) { visit_fields(alternative, setter); }, *attrs);
  if (!setter.found) return invalid_argument("the operator has no attribute '" + name + "'");
  if (!setter.parsed) return invalid_argument("'" + value + "' is no value for " + name);
  return ok_status();
}

}  // namespace inferd::ops
