// SPDX-License-Identifier: Apache-2.0
#include "engine/import/ifd/attributes.h"

#include <concepts>
#include <limits>
#include <string>

#include "engine/base/op_fields.h"
#include "engine/import/flat_vector.h"

namespace inferd::import {
namespace {

template <typename T>
constexpr bool kIsVector = false;
template <typename T>
constexpr bool kIsVector<std::vector<T>> = true;

// "window.stride_h" for member `name` of member "window".
std::string path_of(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
}

class Writer {
 public:
  explicit Writer(flatbuffers::FlatBufferBuilder& builder) : builder_(builder) {}

  template <typename S>
  void add_members(const S& s, const std::string& prefix) {
    visit_fields(
        s, [&](std::string_view name, const auto& value) { add(path_of(prefix, name), value); });
  }
  std::vector<flatbuffers::Offset<ifd::Attribute>> take() { return std::move(list_); }

 private:
  template <typename T>
  void add(const std::string& path, const T& value) {
    if constexpr (HasFields<T>) {
      add_members(value, path);
    } else if constexpr (std::is_enum_v<T>) {
      put(path, 0, 0, builder_.CreateSharedString(std::string(enumerator_name(value))));
    } else if constexpr (kIsVector<T>) {
      add_numbers(path, value);
    } else {
      add_numbers(path, std::vector<T>{value});
    }
  }

  template <typename T>
  void add_numbers(const std::string& path, const std::vector<T>& values) {
    if constexpr (std::floating_point<T>) {
      put(path, 0, builder_.CreateVector(std::vector<float>(values.begin(), values.end())), 0);
    } else {
      put(path, builder_.CreateVector(std::vector<int64_t>(values.begin(), values.end())), 0, 0);
    }
  }

  void put(const std::string& path, flatbuffers::Offset<flatbuffers::Vector<int64_t>> ints,
           flatbuffers::Offset<flatbuffers::Vector<float>> floats,
           flatbuffers::Offset<flatbuffers::String> enumerator) {
    const auto name = builder_.CreateSharedString(path);
    list_.push_back(ifd::CreateAttribute(builder_, name, ints, floats, enumerator));
  }

  flatbuffers::FlatBufferBuilder& builder_;
  std::vector<flatbuffers::Offset<ifd::Attribute>> list_;
};

bool read_number(float number, float* value) {
  *value = number;
  return true;
}
template <std::integral T>
bool read_number(int64_t number, T* value) {
  if (number < int64_t{std::numeric_limits<T>::min()} ||
      number > int64_t{std::numeric_limits<T>::max()}) {
    return false;
  }
  *value = static_cast<T>(number);
  return true;
}

template <typename Stored, typename T>
bool read_numbers(const flatbuffers::Vector<Stored>* stored, std::vector<T>* values) {
  if (stored == nullptr) return false;
  values->assign(stored->size(), T{});
  for (flatbuffers::uoffset_t i = 0; i < stored->size(); ++i) {
    T value{};
    if (!read_number(element(*stored, i), &value)) return false;
    (*values)[i] = value;
  }
  return true;
}

template <typename T>
bool read_value(const ifd::Attribute& attribute, std::vector<T>* values) {
  if constexpr (std::floating_point<T>) {
    return read_numbers(attribute.floats(), values);
  } else {
    return read_numbers(attribute.ints(), values);
  }
}
template <typename T>
bool read_value(const ifd::Attribute& attribute, T* value) {
  if constexpr (std::is_enum_v<T>) {
    if (attribute.enumerator() == nullptr) return false;
    const std::optional<T> found = enumerator_of<T>(attribute.enumerator()->string_view());
    if (found) *value = *found;
    return found.has_value();
  } else {
    std::vector<T> values;
    if (!read_value(attribute, &values) || values.size() != 1) return false;
    *value = values[0];
    return true;
  }
}

// Looks for the member with a path, and reads into it.
struct Setter {
  const ifd::Attribute& attribute;
  std::string_view path;
  bool found = false;
  bool valid = false;

  template <typename S>
  void visit_members(S& s, const std::string& prefix) {
    visit_fields(s, [&](std::string_view name, auto& value) {
      const std::string here = path_of(prefix, name);
      if constexpr (HasFields<std::remove_reference_t<decltype(value)>>) {
        visit_members(value, here);
      } else if (here == path) {
        found = true;
        valid = read_value(attribute, &value);
      }
    });
  }
};

}  // namespace

std::vector<flatbuffers::Offset<ifd::Attribute>> write_attributes(
    const OpAttrs& attrs, flatbuffers::FlatBufferBuilder& builder) {
  Writer writer(builder);
  std::visit([&](const auto& alternative) { writer.add_members(alternative, ""); }, attrs);
  return writer.take();
}

Status read_attributes(const AttributeList* list, OpAttrs* attrs) {
  if (list == nullptr) return ok_status();
  for (const ifd::Attribute* attribute : *list) {
    if (attribute->name() == nullptr) return invalid_argument("an attribute has no name");
    Setter setter{*attribute, attribute->name()->string_view()};
    std::visit([&](auto& alternative) { setter.visit_members(alternative, ""); }, *attrs);
    const std::string name = "attribute '" + attribute->name()->str() + "'";
    if (!setter.found) return unimplemented(name + " is unknown to this version of inferd");
    if (!setter.valid) return invalid_argument(name + " has a value that it cannot have");
  }
  return ok_status();
}

}  // namespace inferd::import
