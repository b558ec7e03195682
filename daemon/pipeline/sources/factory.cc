// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

struct Row {
  const char* type;
  Result<std::unique_ptr<Source>> (*make)(const config::NodeConfig&);
};
const Row kRows[] = {
    {"images", make_images},
    {"test_pattern", make_test_pattern},
};

}  // namespace

Result<std::unique_ptr<Source>> make_source(const config::NodeConfig& node) {
  std::string known;
  for (const Row& row : kRows) {
    if (node.type == row.type) return row.make(node);
    known += (known.empty() ? "" : ", ") + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no source '" + node.type +
                          "'; known: " + known);
}

}  // namespace inferd::pipeline
