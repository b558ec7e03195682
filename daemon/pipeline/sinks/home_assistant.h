// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// What Home Assistant shows of a pipeline, by its MQTT discovery
// (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery): a device with, of each class,
// a binary sensor (is there one?) and a sensor (how many are there?), and sensors of lines and
// zones. Classes are those that are given and those that are seen; what several cameras see is
// added up.
class HomeAssistant {
 public:
  static constexpr size_t kMaxEntities = 500;  // what is beyond them is not announced

  struct Names {
    std::string prefix;  // of discovery topics: "homeassistant"
    std::string base;    // of topics with states
    std::string host, pipeline;
    std::string availability;  // topic
  };
  // Sets the value of a topic, which the broker keeps.
  using Set = std::function<void(const std::string& topic, const std::string& value)>;

  HomeAssistant(Names names, const std::vector<std::string>& classes, Set set);
  void update(const FrameResult& result);

 private:
  struct Entity {
    std::string kind;  // "binary_sensor" or "sensor"
    std::string name;
    std::string id;            // of letters, digits, '-' and '_'
    std::string device_class;  // "": none
    std::string state_class;   // "": none
  };
  // By the way that results come (a node that looks for cars does not say that there are no
  // people), then by name.
  using Numbers = std::map<std::string, std::map<std::string, uint64_t>>;

  static uint64_t sum(const Numbers& numbers, const std::string& name);
  void set_class(const std::string& name, uint64_t number);
  void set_entity(const Entity& entity, const std::string& state);

  const Names names_;
  const Set set_;
  Numbers numbers_, counts_;                      // of classes, of lines and zones
  std::map<std::string, std::string> announced_;  // names by ids of entities
};

}  // namespace inferd::pipeline
