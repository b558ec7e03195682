// SPDX-License-Identifier: Apache-2.0
//
// Between JSON and what the daemon's other protocols say in messages and parameters.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "daemon/serve/call.h"

namespace inferd::serve {

// Members in the order of the message's fields and with their names; fields without presence also
// when they are zero. Unlike the JSON of protobuf itself, 64-bit numbers are numbers, as Triton has
// them. Keys of a map are sorted.
nlohmann::ordered_json to_json(const google::protobuf::Message& message);

// A value as whoever takes parameters wants it; std::monostate for null, lists and objects.
Parameter parameter_of(const nlohmann::json& value);

// The object that is a request's whole body; an empty body is an empty object. INVALID_ARGUMENT for
// anything else, and when the values take more than `max_memory` bytes.
Result<nlohmann::json> object_in(std::string_view body, int64_t max_memory = 64 << 10);

}  // namespace inferd::serve
