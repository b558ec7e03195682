// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

struct Row {
  const char* type;
  Result<std::unique_ptr<Sink>> (*make)(const config::NodeConfig&);
};
[[maybe_unused]] Status missing(const config::NodeConfig& node, const std::string& library) {
  return failed_precondition(node.mark.to_string() + ": this inferd was built without " + library +
                             ", which the sink '" + node.type + "' needs");
}

}  // namespace

#ifndef INFERD_HAVE_GPIO
Result<std::unique_ptr<Sink>> make_gpio(const config::NodeConfig& node) {
  return missing(node, "libgpiod");
}
#endif

#ifndef INFERD_HAVE_MQTT
Result<std::unique_ptr<Sink>> make_mqtt(const config::NodeConfig& node) {
  return missing(node, "libmosquitto");
}
#endif

#ifndef INFERD_HAVE_WEBHOOK
Result<std::unique_ptr<Sink>> make_webhook(const config::NodeConfig& node) {
  return missing(node, "libcurl");
}
#endif

namespace {

const Row kRows[] = {
    {"annotated", make_annotated}, {"best_shots", make_best_shots},
    {"capture", make_capture},     {"csv", make_csv},
    {"gpio", make_gpio},           {"jsonl", make_jsonl},
    {"mjpeg", make_mjpeg},         {"mqtt", make_mqtt},
    {"record", make_record},       {"udp", make_udp},
    {"webhook", make_webhook},
};

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const config::NodeConfig& node) {
  std::string known;
  for (const Row& row : kRows) {
    if (node.type == row.type) return row.make(node);
    known += (known.empty() ? "" : ", ") + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no sink '" + node.type +
                          "'; known: " + known);
}

}  // namespace inferd::pipeline
