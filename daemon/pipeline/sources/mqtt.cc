// SPDX-License-Identifier: Apache-2.0
//
// Messages of an MQTT broker: numbers, or pictures. The feed's thread does everything: the
// connection is read while the next frame is waited for.
#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "daemon/host/module.h"
#include "daemon/pipeline/keys.h"
#include "daemon/pipeline/mqtt/mosquitto_handle.h"
#include "daemon/pipeline/sources/left_out.h"
#include "daemon/pipeline/sources/line_rows.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kConnectNs = 10'000'000'000;
constexpr int kMiscMs = 1000;    // how often libmosquitto looks after its keepalive
constexpr int kMaxPackets = 64;  // read before the frames of those that came are given
constexpr int64_t kMaxRows = 65536;
constexpr int kRefused = 0x80;  // instead of a QoS in the broker's answer

struct Options {
  MqttBroker broker;
  std::string topic;
  int qos = 0;
  size_t queue = 0;        // messages that wait; then the oldest goes
  size_t max_payload = 0;  // bytes
  int64_t rows = 0;        // of a frame; 0: those of a message
  int64_t timeout_ms = 0;  // without a frame; 0: any time
};

class Mqtt final : public Source {
 public:
  // `rows`: of numbers; null: messages are pictures.
  Mqtt(Options options, std::unique_ptr<LineRows> rows)
      : options_(std::move(options)),
        rows_(std::move(rows)),
        left_out_("source mqtt: '" + options_.topic + "': a message is left out") {}

  bool live() const override { return true; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }

  Status open() override;
  Result<bool> next(Stopper& stopper, Frame& frame) override;

 private:
  struct Message {
    std::string topic, payload;
    int64_t arrived_ns = 0;
  };

  void on_connect(int code);
  void on_subscribe(int qos);
  void on_message(const mosquitto_message& message);
  Result<bool> turn(const Stopper& stopper, int wait_ms);
  Status read();
  bool fill(Frame& frame);
  bool fill_rows(Frame& frame);
  bool fill_picture(Frame& frame);

  const Options options_;
  const std::unique_ptr<LineRows> rows_;
  std::string error_;  // what the broker refuses
  bool subscribed_ = false;
  int64_t patience_ends_ns_ = 0;  // of connecting
  bool may_have_more_ = false;    // that was received, but not taken apart
  std::deque<Message> messages_;
  Message current_;  // whose rows are given
  LeftOut left_out_;
  MosquittoHandle client_;  // the last: gone before what its callbacks use
};

Status Mqtt::open() {
  block_broken_pipes();
  error_.clear();
  subscribed_ = may_have_more_ = false;
  messages_.clear();
  if (rows_ != nullptr) rows_->clear();
  INFERD_ASSIGN_OR_RETURN(client_, make_mosquitto(options_.broker, this));
  mosquitto_connect_callback_set(client_.get(), [](mosquitto*, void* self, int code) {
    static_cast<Mqtt*>(self)->on_connect(code);
  });
  mosquitto_subscribe_callback_set(
      client_.get(), [](mosquitto*, void* self, int, int count, const int* qos) {
        static_cast<Mqtt*>(self)->on_subscribe(count > 0 ? *qos : kRefused);
      });
  mosquitto_message_callback_set(client_.get(),
                                 [](mosquitto*, void* self, const mosquitto_message* message) {
                                   static_cast<Mqtt*>(self)->on_message(*message);
                                 });
  patience_ends_ns_ = schedule::now_ns() + kConnectNs;
  return begin_to_connect(client_.get(), options_.broker).with_context(options_.broker.name());
}

void Mqtt::on_connect(int code) {
  if (code != 0) {
    error_ = mosquitto_connack_string(code);
    return;
  }
  const Status sent = mosquitto_status(
      mosquitto_subscribe(client_.get(), nullptr, options_.topic.c_str(), options_.qos));
  if (!sent.ok()) error_ = sent.message();
}

void Mqtt::on_subscribe(int qos) {
  subscribed_ = true;
  if (qos >= kRefused) error_ = "it does not let 'topic' be read";
}

void Mqtt::on_message(const mosquitto_message& message) {
  const auto size = static_cast<size_t>(std::max(message.payloadlen, 0));
  if (size > options_.max_payload)
    return left_out_.add("it has " + std::to_string(size) + " bytes, more than 'max_payload'");
  Message kept;
  if (messages_.size() >= options_.queue) {
    kept = std::move(messages_.front());  // its memory is used again
    messages_.pop_front();
    left_out_.add("newer ones came before it was taken");
  }
  kept.topic = message.topic;
  kept.payload.assign(static_cast<const char*>(message.payload), size);
  kept.arrived_ns = schedule::now_ns();
  messages_.push_back(std::move(kept));
}

// All that has come: of messages that are too many the newest are wanted.
Status Mqtt::read() {
  may_have_more_ = true;
  for (int i = 0; i < kMaxPackets && may_have_more_; ++i) {
    // So libmosquitto tells that the socket, and what TLS has of it, is empty.
    errno = 0;
    const int code = mosquitto_loop_read(client_.get(), 1);
    may_have_more_ = errno != EAGAIN;
    if (!error_.empty()) return unavailable(error_);
    INFERD_RETURN_IF_ERROR(mosquitto_status(code));
  }
  return ok_status();
}

// Reads what has come, or waits for it, at most so long. False: stopped.
Result<bool> Mqtt::turn(const Stopper& stopper, int wait_ms) {
  mosquitto* client = client_.get();
  const int socket = mosquitto_socket(client);
  if (socket < 0) return unavailable("the connection is lost");
  pollfd file{socket, POLLIN, 0};
  if (mosquitto_want_write(client)) file.events |= POLLOUT;
  if (!wait_for(stopper, {&file, 1}, may_have_more_ ? 0 : wait_ms)) return false;
  if ((file.revents & POLLOUT) != 0)
    INFERD_RETURN_IF_ERROR(mosquitto_status(mosquitto_loop_write(client, 1)));
  if (may_have_more_ || (file.revents & (POLLIN | POLLERR | POLLHUP)) != 0)
    INFERD_RETURN_IF_ERROR(read());
  INFERD_RETURN_IF_ERROR(mosquitto_status(mosquitto_loop_misc(client)));
  if (!subscribed_ && schedule::now_ns() > patience_ends_ns_)
    return unavailable("it does not answer");
  return true;
}

Result<bool> Mqtt::next(Stopper& stopper, Frame& frame) {
  if (client_ == nullptr) return failed_precondition("the source is not open");
  if (rows_ != nullptr) {
    rows_->begin(frame);
  } else {
    frame.samples = {};
  }
  // What has come meanwhile is read first, as it may push out what waits.
  for (int wait_ms = 0;; wait_ms = kMiscMs) {
    const auto on = turn(stopper, wait_ms);
    if (!on.ok()) return on.status().with_context(options_.broker.name());
    if (!*on) return false;
    if (fill(frame)) return true;
  }
}

// True: it is whole. Takes what has come of the connection before the oldest message.
bool Mqtt::fill(Frame& frame) {
  if (rows_ != nullptr && fill_rows(frame)) return true;
  while (!messages_.empty()) {
    std::swap(current_, messages_.front());
    messages_.pop_front();
    if (rows_ != nullptr) {
      rows_->add(current_.payload);
      rows_->add("\n");
    }
    if (rows_ != nullptr ? fill_rows(frame) : fill_picture(frame)) return true;
  }
  return false;
}

// Of the current message; what it has beyond a frame stays for the next one.
bool Mqtt::fill_rows(Frame& frame) {
  rows_->parse(frame, options_.rows == 0 ? kMaxRows : options_.rows, current_.arrived_ns);
  frame.name = current_.topic;
  return frame.samples.rows > 0 && frame.samples.rows >= options_.rows;
}

bool Mqtt::fill_picture(Frame& frame) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(current_.payload.data());
  auto image = media::decode_image({bytes, current_.payload.size()});
  if (!image.ok()) {
    left_out_.add(image.status().message());
    return false;
  }
  frame.image = std::move(*image);
  frame.picture = media::view_of(frame.image);
  frame.capture_ns = current_.arrived_ns;
  frame.name = current_.topic;
  return true;
}

Status check(const config::NodeConfig& node, const Options& o, bool pictures) {
  if (mosquitto_sub_topic_check(o.topic.c_str()) != MOSQ_ERR_SUCCESS)
    return bad_key(node, "topic",
                   "'" + o.topic +
                       "' is no topic: '+' stands for a level, '#' for "
                       "all that are left");
  if (o.rows > 1 && o.topic.find_first_of("+#") != std::string::npos)
    return bad_key(node, "rows", "'rows' over 1 would mix topics: name one without '+' and '#'");
  if (pictures) {
    for (const std::string key : {"columns", "time", "separator", "rows"}) {
      if (node.entries.contains(key))
        return bad_key(node, key, "'" + key + "' is of numbers, not of 'content: picture'");
    }
  }
  return check_broker(node, o.broker);
}

Result<std::unique_ptr<Source>> make_mqtt(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options o;
  o.broker = read_broker(r, node, "");
  o.topic = r.required_text("topic");
  o.qos = static_cast<int>(r.integer("qos", 0, 0, 2));
  const bool pictures = r.one_of("content", "numbers", {"numbers", "picture"}) == "picture";
  LineKeys keys = read_line_keys(r);
  o.rows = r.integer("rows", 0, 0, kMaxRows);
  o.queue = static_cast<size_t>(r.integer("queue", pictures ? 1 : 64, 1, 4096));
  o.max_payload =
      static_cast<size_t>(r.integer("max_payload", pictures ? 16 << 20 : 64 << 10, 1, 256 << 20));
  o.timeout_ms = r.integer("timeout_ms", 0, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_RETURN_IF_ERROR(check(node, o, pictures));
  std::unique_ptr<LineRows> rows;
  if (!pictures) {
    INFERD_ASSIGN_OR_RETURN(
        LineRows made, LineRows::create(node, std::move(keys), "'" + o.topic + "'", o.max_payload));
    rows = std::make_unique<LineRows>(std::move(made));
  }
  return std::unique_ptr<Source>(std::make_unique<Mqtt>(std::move(o), std::move(rows)));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(source_mqtt, inferd::pipeline::MakeSource, inferd::pipeline::make_mqtt)
