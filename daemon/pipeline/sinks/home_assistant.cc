// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/home_assistant.h"

#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/options.h"

namespace inferd::pipeline {
namespace {

// As Home Assistant wants parts of topics and ids.
std::string id_of(const std::string& name) {
  std::string id = name;
  for (char& c : id) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_';
    if (!good) c = '_';
  }
  return id;
}

void add(const std::string& key, const std::string& value, std::string& json) {
  json += (json.empty() ? "{\"" : ",\"") + key + "\":";
  append_json_text(value, json);
}

}  // namespace

HomeAssistant::HomeAssistant(Names names, const std::vector<std::string>& classes, Set set)
    : names_(std::move(names)), set_(std::move(set)) {
  for (const std::string& name : classes) set_class(name, 0);
}

void HomeAssistant::update(const FrameResult& result) {
  const std::string way = way_of(result);
  std::map<std::string, uint64_t>& numbers = numbers_[way];
  for (auto& [name, number] : numbers) number = 0;
  for (const Detection& d : result.detections) {
    const std::string name = class_name(d.label, d.class_id);
    if (numbers.size() < kMaxEntities || numbers.contains(name)) ++numbers[name];
  }
  for (const auto& [name, number] : numbers) set_class(name, sum(numbers_, name));
  for (const Count& c : result.counts) {
    const std::string label = class_name(c.label, c.class_id);
    const std::string name = c.name + " " + label;
    const std::string id = "count_" + id_of(c.name) + "_" + id_of(label);
    std::map<std::string, uint64_t>& counts = counts_[way];
    if (counts.size() >= kMaxEntities && !counts.contains(name + " in")) continue;
    counts[name + " in"] = c.in;
    counts[name + " out"] = c.out;
    set_entity({"sensor", name + " in", id + "_in", "", "total_increasing"},
               std::to_string(sum(counts_, name + " in")));
    set_entity({"sensor", name + " out", id + "_out", "", "total_increasing"},
               std::to_string(sum(counts_, name + " out")));
  }
}

uint64_t HomeAssistant::sum(const Numbers& numbers, const std::string& name) {
  uint64_t sum = 0;
  for (const auto& [way, of_way] : numbers) {
    const auto found = of_way.find(name);
    sum += found == of_way.end() ? 0 : found->second;
  }
  return sum;
}

void HomeAssistant::set_class(const std::string& name, uint64_t number) {
  const std::string id = id_of(name);
  set_entity({"binary_sensor", name, "occupancy_" + id, "occupancy", ""},
             number > 0 ? "ON" : "OFF");
  set_entity({"sensor", name + " number", "number_" + id, "", "measurement"},
             std::to_string(number));
}

void HomeAssistant::set_entity(const Entity& entity, const std::string& state) {
  const bool known = announced_.contains(entity.id);
  if (!known && announced_.size() >= kMaxEntities) return;
  // Of two names that make one id the first has it.
  if (announced_.try_emplace(entity.id, entity.name).first->second != entity.name) return;
  const std::string topic = names_.base + "/" + entity.id;
  if (!known) {
    const std::string device = id_of("inferd_" + names_.host + "_" + names_.pipeline);
    std::string json;
    add("name", entity.name, json);
    add("unique_id", device + "_" + entity.id, json);
    add("state_topic", topic, json);
    if (!names_.availability.empty()) add("availability_topic", names_.availability, json);
    if (!entity.device_class.empty()) add("device_class", entity.device_class, json);
    if (!entity.state_class.empty()) add("state_class", entity.state_class, json);
    std::string about;
    add("name", "inferd " + names_.pipeline + " on " + names_.host, about);
    add("manufacturer", "inferd", about);
    json += ",\"device\":" + about + ",\"identifiers\":[\"" + device + "\"]}}";
    set_(names_.prefix + "/" + entity.kind + "/" + device + "/" + entity.id + "/config", json);
  }
  set_(topic, state);
}

}  // namespace inferd::pipeline
