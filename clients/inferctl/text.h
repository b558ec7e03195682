// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "clients/inferctl/measure/agreement.h"
#include "inferd/engine/engine.h"

namespace inferd::ctl {

nlohmann::json to_json(
    const TensorInfo& info);  // name, datatype, shape, scales and zero points where quantized
std::string to_text(
    const TensorInfo& info);  // "name UINT8[1,224,224,3] scale 0.0078 zero point 128"

// Names and messages come from files and other programs: what a terminal would take for a command
// becomes '?', as does what is no UTF-8.
std::string printable(std::string_view text);

// 3 significant parts of a count: "314 M"
std::string human(int64_t count);

nlohmann::json to_json(const Agreement& agreement);
void print_agreement(const Agreement& agreement);  // to standard output

double median(std::vector<double> numbers);  // of at least one

// For EngineOptions::log: warnings and errors to stderr.
void print_warnings(LogLevel level, std::string_view message);

}  // namespace inferd::ctl
