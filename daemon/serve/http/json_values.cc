// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/json_values.h"

#include <google/protobuf/descriptor.h>

#include <map>

#include "daemon/serve/http/checked_json.h"

namespace inferd::serve {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

Json single(const Message& m, const FieldDescriptor* field) {
  const Reflection& r = *m.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r.GetInt32(m, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetInt64(m, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r.GetUInt32(m, field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r.GetUInt64(m, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetDouble(m, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return r.GetFloat(m, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetBool(m, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return r.GetEnum(m, field)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return r.GetString(m, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(r.GetMessage(m, field));
  }
  return nullptr;
}

Json element(const Message& m, const FieldDescriptor* field, int i) {
  const Reflection& r = *m.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r.GetRepeatedInt32(m, field, i);
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetRepeatedInt64(m, field, i);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r.GetRepeatedUInt32(m, field, i);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r.GetRepeatedUInt64(m, field, i);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetRepeatedDouble(m, field, i);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return r.GetRepeatedFloat(m, field, i);
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetRepeatedBool(m, field, i);
    case FieldDescriptor::CPPTYPE_ENUM:
      return r.GetRepeatedEnum(m, field, i)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return r.GetRepeatedString(m, field, i);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(r.GetRepeatedMessage(m, field, i));
  }
  return nullptr;
}

Json array(const Message& m, const FieldDescriptor* field) {
  Json list = Json::array();
  for (int i = 0; i < m.GetReflection()->FieldSize(m, field); ++i)
    list.push_back(element(m, field, i));
  return list;
}

Json object(const Message& m, const FieldDescriptor* field) {
  const auto* entry_type = field->message_type();
  std::map<std::string, Json> sorted;
  for (int i = 0; i < m.GetReflection()->FieldSize(m, field); ++i) {
    const Message& entry = m.GetReflection()->GetRepeatedMessage(m, field, i);
    const Json key = single(entry, entry_type->map_key());
    sorted[key.is_string() ? key.get<std::string>() : key.dump()] =
        single(entry, entry_type->map_value());
  }
  Json all = Json::object();
  for (auto& [key, value] : sorted) all[key] = std::move(value);
  return all;
}

}  // namespace

Json to_json(const Message& message) {
  Json json = Json::object();
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->is_map()) {
      json[field->name()] = object(message, field);
    } else if (field->is_repeated()) {
      json[field->name()] = array(message, field);
    } else if (!field->has_presence() || message.GetReflection()->HasField(message, field)) {
      json[field->name()] = single(message, field);
    }
  }
  return json;
}

Parameter parameter_of(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  return std::monostate();
}

Result<nlohmann::json> object_in(std::string_view body, int64_t max_memory) {
  if (body.empty()) return nlohmann::json::object();
  INFERD_ASSIGN_OR_RETURN(nlohmann::json json, parse_json(body, {.depth = 6, .bytes = max_memory}));
  if (!json.is_object()) return invalid_argument("the body must be a JSON object");
  return json;
}

}  // namespace inferd::serve
