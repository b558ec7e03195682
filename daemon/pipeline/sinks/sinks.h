// SPDX-License-Identifier: Apache-2.0
//
// The sinks, for the table in factory.cc. Their keys are described in docs/pipelines.md.
#pragma once

#include "daemon/pipeline/sink.h"

namespace inferd::pipeline {

Result<std::unique_ptr<Sink>> make_annotated(const config::NodeConfig& node);
Result<std::unique_ptr<Sink>> make_best_shots(const config::NodeConfig& node);
Result<std::unique_ptr<Sink>> make_capture(const config::NodeConfig& node);
Result<std::unique_ptr<Sink>> make_csv(const config::NodeConfig& node);
Result<std::unique_ptr<Sink>> make_jsonl(const config::NodeConfig& node);
Result<std::unique_ptr<Sink>> make_record(const config::NodeConfig& node);
Result<std::unique_ptr<Sink>> make_udp(const config::NodeConfig& node);

// What modules (daemon/host/module.h) have under the names sink_gpio, sink_mqtt, ...
using MakeSink = Result<std::unique_ptr<Sink>> (*)(const config::NodeConfig& node);

}  // namespace inferd::pipeline
