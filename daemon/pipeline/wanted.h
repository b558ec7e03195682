// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// Which detections a stage or sink is about.
struct Wanted {
  std::vector<std::string> classes;  // labels; none: all
  float min_score = 0;

  // Reads `classes` and `min_score` (0).
  static Wanted from(config::NodeReader& reader) {
    Wanted wanted;
    wanted.classes = reader.list("classes");
    wanted.min_score = static_cast<float>(reader.number("min_score", 0, 0, 1));
    return wanted;
  }

  static Wanted of(const config::EachConfig& each) {
    return {each.classes, static_cast<float>(each.min_score)};
  }

  bool has_class(const std::string& label) const {
    return classes.empty() || std::find(classes.begin(), classes.end(), label) != classes.end();
  }
  bool takes(const Detection& d) const { return d.score >= min_score && has_class(d.label); }
};

}  // namespace inferd::pipeline
