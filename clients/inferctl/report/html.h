// SPDX-License-Identifier: Apache-2.0
//
// HTML that is well-formed XML as well, and needs nothing but itself: no script, no other file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace inferd::ctl::report {

// As text or as the value of an attribute. Control characters and what is no UTF-8 become '?'.
std::string escaped(std::string_view text);

// What is shown of a number, with the number itself for programs:
// <data value="1.2345678">1.235</data>. "-" of what is none.
std::string number(const nlohmann::json& number, int decimals = 3);

// Rows of two cells: what, and HTML of its value.
std::string facts(const std::vector<std::pair<std::string, std::string>>& facts);

// A section with a heading and HTML below it.
std::string section(std::string_view heading, const std::string& html);

// The page, which carries `data` along for programs, in <script type="application/json" id="data">.
std::string page(std::string_view title, const std::string& html, const nlohmann::json& data);

}  // namespace inferd::ctl::report
