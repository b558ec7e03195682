// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>

#include "daemon/config/asked_keys.h"
#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {
namespace {

using Kind = AskedKey::Kind;

template <typename T>
bool parse(const std::string& text, T& out) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string short_number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace

const NodeConfig::Entry* NodeReader::entry(const std::string& key) {
  known_.push_back(key);
  const auto it = node_.entries.find(key);
  return it == node_.entries.end() ? nullptr : &it->second;
}

void NodeReader::error(const Mark& mark, const std::string& message) {
  errors_ += mark.to_string() + ": " + message + "\n";
}

bool NodeReader::has(const std::string& key) const { return node_.entries.contains(key); }

std::string NodeReader::text(const std::string& key, std::string fallback) {
  AskedKeys::note({.name = key, .kind = Kind::kText, .fallback = fallback});
  const NodeConfig::Entry* e = entry(key);
  if (e == nullptr) return fallback;
  if (e->is_list) {
    error(e->mark, "'" + key + "' must be a text, not a list");
    return fallback;
  }
  return e->items[0];
}

std::string NodeReader::required_text(const std::string& key) {
  AskedKeys::note({.name = key, .kind = Kind::kText, .required = true});
  std::string value = text(key, "");
  if (value.empty()) error(node_.mark, "'" + node_.type + "' needs '" + key + "'");
  return value;
}

double NodeReader::number(const std::string& key, double fallback, double min, double max) {
  AskedKeys::note({.name = key,
                   .kind = Kind::kNumber,
                   .min = min,
                   .max = max,
                   .fallback = short_number(fallback)});
  const NodeConfig::Entry* e = entry(key);
  if (e == nullptr) return fallback;
  double value = 0;
  if (e->is_list || !parse(e->items[0], value) || !(value >= min && value <= max)) {
    error(e->mark,
          "'" + key + "' must be a number from " + short_number(min) + " to " + short_number(max));
    return fallback;
  }
  return value;
}

int64_t NodeReader::integer(const std::string& key, int64_t fallback, int64_t min, int64_t max) {
  AskedKeys::note({.name = key,
                   .kind = Kind::kInteger,
                   .min = static_cast<double>(min),
                   .max = static_cast<double>(max),
                   .fallback = std::to_string(fallback)});
  const NodeConfig::Entry* e = entry(key);
  if (e == nullptr) return fallback;
  int64_t value = 0;
  if (e->is_list || !parse(e->items[0], value) || value < min || value > max) {
    error(e->mark, "'" + key + "' must be a whole number from " + std::to_string(min) + " to " +
                       std::to_string(max));
    return fallback;
  }
  return value;
}

bool NodeReader::boolean(const std::string& key, bool fallback) {
  AskedKeys::note({.name = key, .kind = Kind::kBoolean, .fallback = fallback ? "true" : "false"});
  const NodeConfig::Entry* e = entry(key);
  if (e == nullptr) return fallback;
  if (e->is_list || (e->items[0] != "true" && e->items[0] != "false")) {
    error(e->mark, "'" + key + "' must be true or false");
    return fallback;
  }
  return e->items[0] == "true";
}

std::string NodeReader::one_of(const std::string& key, std::string fallback,
                               const std::vector<std::string>& allowed) {
  AskedKeys::note({.name = key, .kind = Kind::kChoice, .choices = allowed, .fallback = fallback});
  const NodeConfig::Entry* e = entry(key);
  if (e == nullptr) return fallback;
  if (!e->is_list && std::find(allowed.begin(), allowed.end(), e->items[0]) != allowed.end())
    return e->items[0];
  std::string list;
  for (const std::string& name : allowed) list += (list.empty() ? "" : ", ") + name;
  error(e->mark, "'" + key + "' must be one of " + list);
  return fallback;
}

std::vector<std::string> NodeReader::list(const std::string& key) {
  AskedKeys::note({.name = key, .kind = Kind::kTexts});
  const NodeConfig::Entry* e = entry(key);
  return e == nullptr ? std::vector<std::string>() : e->items;
}

std::vector<double> NodeReader::numbers(const std::string& key) {
  AskedKeys::note({.name = key, .kind = Kind::kNumbers});
  const NodeConfig::Entry* e = entry(key);
  std::vector<double> values;
  if (e == nullptr) return values;
  for (const std::string& item : e->items) {
    double value = 0;
    if (!parse(item, value) || !std::isfinite(value)) {
      error(e->mark, "'" + key + "' must be a number or a list of numbers");
      return {};
    }
    values.push_back(value);
  }
  return values;
}

Status NodeReader::finish() {
  for (const auto& [key, value] : node_.entries) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      error(value.mark, "'" + node_.type + "' has no key '" + key + "'" + suggestion(key, known_));
    }
  }
  if (errors_.empty()) return ok_status();
  return invalid_argument(errors_.substr(0, errors_.size() - 1));
}

}  // namespace inferd::config
