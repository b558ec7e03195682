// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/module.h"
#include "daemon/pipeline/keys.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

struct Row {
  const char* type;
  MakeSink make;             // null: a module has it
  const char* module = "";   // which one
  const char* library = "";  // that the module stands on
};

const Row kRows[] = {
    {"annotated", make_annotated},
    {"best_shots", make_best_shots},
    {"capture", make_capture},
    {"csv", make_csv},
    {"gpio", nullptr, "gpio", "libgpiod"},
    {"jsonl", make_jsonl},
    {"mjpeg", nullptr, "mjpeg", "libmicrohttpd"},
    {"mqtt", nullptr, "mqtt", "libmosquitto"},
    {"record", make_record},
    {"udp", make_udp},
    {"webhook", nullptr, "webhook", "libcurl"},
};

Result<std::unique_ptr<Sink>> make(const Row& row, const config::NodeConfig& node) {
  if (row.make != nullptr) return row.make(node);
  const auto made = host::function_in_module<MakeSink>(row.module, "sink_" + std::string(row.type));
  if (!made.ok()) return without_module(node, row.library, made.status());
  return (**made)(node);
}

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const config::NodeConfig& node) {
  std::string known;
  for (const Row& row : kRows) {
    if (node.type == row.type) return make(row, node);
    known += (known.empty() ? "" : ", ") + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no sink '" + node.type +
                          "'; known: " + known);
}

}  // namespace inferd::pipeline
