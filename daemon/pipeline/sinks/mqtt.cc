// SPDX-License-Identifier: Apache-2.0
//
// Results for an MQTT broker.
#include <unistd.h>

#include <array>
#include <limits>
#include <optional>

#include "daemon/host/module.h"
#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/home_assistant.h"
#include "daemon/pipeline/sinks/mqtt_client.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "board";
}

// A name as one level of a topic.
std::string level(std::string name, const std::string& fallback) {
  for (char& c : name) {
    if (c == '/' || c == '+' || c == '#' || static_cast<unsigned char>(c) < ' ') c = '_';
  }
  return name.empty() ? fallback : name;
}

struct Options {
  MqttOptions client;
  std::string topic, content;
  std::string buffer;  // folder
  size_t buffer_bytes = 0;
  std::string discovery;  // prefix
  std::vector<std::string> classes;
};

class Mqtt final : public Sink {
 public:
  explicit Mqtt(Options options)
      : options_(std::move(options)), buffer_(options_.buffer, options_.buffer_bytes) {}

  bool looks() const override { return false; }
  Status write(const Frame&, const FrameResult& result) override {
    if (!client_.has_value()) begin(result.pipeline);
    if (home_assistant_.has_value()) home_assistant_->update(result);
    if (options_.content == "changes" && !changes_.changed(result))
      return troubles_.next(client_->status());
    payload_.clear();
    if (options_.content == "detections") {
      append_json(result.detections, payload_);
    } else {
      append_json(result, payload_);
    }
    names_["node"] = level(result.node, "result");
    names_["source"] = level(result.source, "source");
    INFERD_RETURN_IF_ERROR(buffer_.append(fill_in(options_.topic, names_), payload_));
    client_->wake();
    return troubles_.next(client_->status());
  }

  SinkStatus status() const override {
    const std::lock_guard lock(mutex_);
    return client_.has_value() ? client_->status() : SinkStatus{"waiting for a result", 0, 0, ""};
  }

 private:
  // With the first result: it says what the pipeline is called.
  void begin(const std::string& pipeline) {
    const std::string host = level(host_name(), "board");
    names_ = {{"host", host}, {"pipeline", level(pipeline, "pipeline")}};
    MqttOptions client = options_.client;
    client.broker.client_id = fill_in(client.broker.client_id, names_);
    client.availability = fill_in(client.availability, names_);
    {
      const std::lock_guard lock(mutex_);
      client_.emplace(client, buffer_);
    }
    if (options_.discovery.empty()) return;
    const std::string base = fill_in("inferd/{host}/{pipeline}", names_);
    home_assistant_.emplace(
        HomeAssistant::Names{options_.discovery, base, host, pipeline, client.availability},
        options_.classes,
        [this](const std::string& topic, const std::string& value) { client_->set(topic, value); });
  }

  const Options options_;
  MessageBuffer buffer_;
  Changes changes_;
  Troubles troubles_;
  std::map<std::string, std::string> names_;
  std::string payload_;
  mutable std::mutex mutex_;          // while client_ begins
  std::optional<MqttClient> client_;  // there from the first result on
  std::optional<HomeAssistant> home_assistant_;
};

Status check(const config::NodeConfig& node, const Options& o) {
  for (const std::string key : {"topic", "availability"}) {
    const std::string& value = key == "topic" ? o.topic : o.client.availability;
    if (value.find_first_of("+#") != std::string::npos || (key == "topic" && value.empty()))
      return bad_key(node, key, "'" + key + "' must be a topic, without '+' and '#'");
  }
  for (const std::string hole : {"{node}", "{source}"}) {
    if (o.client.availability.find(hole) != std::string::npos)
      return bad_key(node, "availability", "'availability' is of the whole pipeline: no " + hole);
  }
  return check_broker(node, o.client.broker);
}

Result<std::unique_ptr<Sink>> make_mqtt(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options o;
  MqttOptions& c = o.client;
  c.broker = read_broker(r, node, "inferd-{host}-{pipeline}");
  c.qos = static_cast<int>(r.integer("qos", 1, 0, 2));
  c.retain = r.boolean("retain", false);
  c.availability = r.text("availability", "inferd/{host}/{pipeline}/availability");
  o.topic = r.text("topic", "inferd/{host}/{pipeline}/{node}");
  o.content = r.one_of("content", "json", {"json", "detections", "changes"});
  o.buffer = path_key(r, node, "buffer");
  o.buffer_bytes = static_cast<size_t>(
      r.integer("buffer_bytes", o.buffer.empty() ? int64_t{1} << 20 : int64_t{16} << 20,
                int64_t{1} << 14, int64_t{1} << 40));
  o.discovery = r.text("discovery", "");
  o.classes = r.list("classes");
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_RETURN_IF_ERROR(check(node, o));
  return std::unique_ptr<Sink>(std::make_unique<Mqtt>(std::move(o)));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(sink_mqtt, inferd::pipeline::MakeSink, inferd::pipeline::make_mqtt)
