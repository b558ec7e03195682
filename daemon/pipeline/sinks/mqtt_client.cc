// SPDX-License-Identifier: Apache-2.0
//
// The thread can be woken by a message and told to stop at any time.
#include "daemon/pipeline/sinks/mqtt_client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/pipeline/mqtt/mosquitto_handle.h"
#include "daemon/pipeline/pauses.h"
#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kMaxInFlight = 10;  // brokers end connections with more than theirs, often 20
constexpr int64_t kFirstPauseNs = 100'000'000, kLongestPauseNs = 30'000'000'000;
constexpr int64_t kConnectNs = 10'000'000'000, kFarewellNs = 1'000'000'000;
constexpr int kMiscMs = 1000;  // how often libmosquitto looks after its keepalive

void drain(int event_fd) {
  uint64_t count = 0;
  while (::read(event_fd, &count, sizeof count) > 0) {
  }
}

}  // namespace

// One connection, from its beginning to its end.
class MqttClient::Session {
 public:
  explicit Session(MqttClient& client) : client_(client) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool was_connected() const { return was_connected_; }

  // Until the connection is lost (an error says why) or the client stops.
  Status run() {
    INFERD_RETURN_IF_ERROR(set_up());
    INFERD_RETURN_IF_ERROR(begin_to_connect(mosquitto_.get(), client_.options_.broker));
    const int64_t patience_ends = schedule::now_ns() + kConnectNs;
    while (!client_.stopping_) {
      INFERD_RETURN_IF_ERROR(turn(kMiscMs));
      if (!connected_ && schedule::now_ns() > patience_ends)
        return unavailable("the broker does not answer");
    }
    return connected_ ? say_farewell() : ok_status();
  }

 private:
  Status set_up() {
    const MqttOptions& o = client_.options_;
    INFERD_ASSIGN_OR_RETURN(mosquitto_, make_mosquitto(o.broker, this));
    mosquitto_connect_callback_set(mosquitto_.get(), [](mosquitto*, void* self, int code) {
      static_cast<Session*>(self)->on_connect(code);
    });
    mosquitto_publish_callback_set(mosquitto_.get(), [](mosquitto*, void* self, int id) {
      static_cast<Session*>(self)->on_publish(id);
    });
    mosquitto_max_inflight_messages_set(mosquitto_.get(), 0);  // bounded here
    if (o.availability.empty()) return ok_status();
    return mosquitto_status(
        mosquitto_will_set(mosquitto_.get(), o.availability.c_str(), 7, "offline", o.qos, true));
  }

  // Sends what there is, then waits for the socket or for being woken, at most so long.
  Status turn(int wait_ms) {
    if (connected_) INFERD_RETURN_IF_ERROR(send());
    const int socket = mosquitto_socket(mosquitto_.get());
    if (socket < 0) return unavailable(refusal_.empty() ? "the connection is lost" : refusal_);
    const short wanted = mosquitto_want_write(mosquitto_.get()) ? POLLIN | POLLOUT : POLLIN;
    std::array<pollfd, 2> fds = {{{socket, wanted, 0}, {client_.wake_fd_, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), wait_ms) < 0 && errno != EINTR)
      return unavailable(std::strerror(errno));
    drain(client_.wake_fd_);
    if ((fds[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
      const Status read = mosquitto_status(mosquitto_loop_read(mosquitto_.get(), 1));
      if (!read.ok()) return refusal_.empty() ? read : unavailable(refusal_);
    }
    if ((fds[0].revents & POLLOUT) != 0)
      INFERD_RETURN_IF_ERROR(mosquitto_status(mosquitto_loop_write(mosquitto_.get(), 1)));
    return mosquitto_status(mosquitto_loop_misc(mosquitto_.get()));
  }

  Status send() {
    uint64_t number = 0;
    while (in_flight_.size() < kMaxInFlight) {
      if (client_.next_kept(topic_, payload_)) {
        INFERD_RETURN_IF_ERROR(publish(0, true));
      } else if (client_.buffer_.take(number, topic_, payload_)) {
        INFERD_RETURN_IF_ERROR(publish(number, client_.options_.retain));
      } else {
        break;
      }
    }
    return ok_status();
  }

  // What is in topic_ and payload_; 0: a value that is kept, no message of the buffer.
  Status publish(uint64_t number, bool retain) {
    at_once_ = false;
    publishing_ = 0;
    const int code = mosquitto_publish(mosquitto_.get(), &publishing_, topic_.c_str(),
                                       static_cast<int>(payload_.size()), payload_.data(),
                                       client_.options_.qos, retain);
    const bool impossible = code == MOSQ_ERR_INVAL || code == MOSQ_ERR_PAYLOAD_SIZE ||
                            code == MOSQ_ERR_OVERSIZE_PACKET || code == MOSQ_ERR_MALFORMED_UTF8;
    if (impossible) {
      client_.refuse(topic_ + ": " + mosquitto_strerror(code));
      client_.buffer_.done(number);
      return ok_status();
    }
    INFERD_RETURN_IF_ERROR(mosquitto_status(code));
    if (at_once_) {
      client_.buffer_.done(number);
    } else {
      in_flight_[publishing_] = number;
    }
    return ok_status();
  }

  void on_connect(int code) {
    connected_ = code == 0;
    was_connected_ = was_connected_ || connected_;
    if (!connected_) {
      refusal_ = mosquitto_connack_string(code);
      return;
    }
    client_.begin_session();
  }

  void on_publish(int id) {
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) {
      at_once_ = at_once_ || id == publishing_;  // written before mosquitto_publish() returned
      return;
    }
    client_.buffer_.done(found->second);
    in_flight_.erase(found);
  }

  // Everything that is on its way, and then that there will be no more.
  Status say_farewell() {
    const int64_t end = schedule::now_ns() + kFarewellNs;
    constexpr int kTurnMs = 10;
    const auto waiting = [&] { return !in_flight_.empty() || client_.buffer_.queued() > 0; };
    while (waiting() && schedule::now_ns() < end) INFERD_RETURN_IF_ERROR(turn(kTurnMs));
    const std::string& topic = client_.options_.availability;
    if (!topic.empty()) {
      topic_ = topic;
      payload_ = "offline";
      INFERD_RETURN_IF_ERROR(publish(0, true));
    }
    while ((!in_flight_.empty() || mosquitto_want_write(mosquitto_.get())) &&
           schedule::now_ns() < end)
      INFERD_RETURN_IF_ERROR(turn(kTurnMs));
    return mosquitto_status(mosquitto_disconnect(mosquitto_.get()));
  }

  MqttClient& client_;
  bool connected_ = false, was_connected_ = false;
  std::string refusal_;                // of the broker
  std::map<int, uint64_t> in_flight_;  // numbers in the buffer, or 0, by libmosquitto's
  int publishing_ = 0;
  bool at_once_ = false;
  std::string topic_, payload_;
  MosquittoHandle mosquitto_;  // the last: gone before what its callbacks use
};

MqttClient::MqttClient(MqttOptions options, MessageBuffer& buffer)
    : options_(std::move(options)),
      buffer_(buffer),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!options_.availability.empty()) kept_[options_.availability].value = "online";
  thread_ = std::thread([this] { run(); });
}

MqttClient::~MqttClient() {
  stopping_ = true;
  wake();
  thread_.join();
  ::close(wake_fd_);
}

void MqttClient::wake() {
  const uint64_t one = 1;
  // It can only fail where it is awake already.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

void MqttClient::set(const std::string& topic, const std::string& value) {
  {
    const std::lock_guard lock(mutex_);
    Kept& kept = kept_[topic];
    if (kept.value == value) return;
    kept = {value, false};
    kept_changed_ = true;
  }
  wake();
}

bool MqttClient::next_kept(std::string& topic, std::string& value) {
  const std::lock_guard lock(mutex_);
  if (!kept_changed_) return false;
  for (auto& [name, kept] : kept_) {
    if (kept.sent) continue;
    kept.sent = true;
    topic = name;
    value = kept.value;
    return true;
  }
  kept_changed_ = false;
  return false;
}

void MqttClient::begin_session() {
  const std::lock_guard lock(mutex_);
  for (auto& [topic, kept] : kept_) kept.sent = false;
  kept_changed_ = true;
  state_ = "connected";
}

void MqttClient::refuse(const std::string& error) {
  const std::lock_guard lock(mutex_);
  last_error_ = error;
  ++refused_;
}

// False: it is time to stop.
bool MqttClient::pause(int64_t ns) {
  const int64_t end = schedule::now_ns() + ns;
  for (int64_t now = schedule::now_ns(); !stopping_ && now < end; now = schedule::now_ns()) {
    pollfd fd = {wake_fd_, POLLIN, 0};
    ::poll(&fd, 1, static_cast<int>((end - now) / 1'000'000) + 1);
    drain(wake_fd_);
  }
  return !stopping_;
}

void MqttClient::run() {
  block_broken_pipes();
  Pauses pauses(kFirstPauseNs, kLongestPauseNs);
  do {
    Status ended;
    {
      Session session(*this);
      ended = session.run();
      if (session.was_connected()) pauses.reset();
    }
    buffer_.take_again();
    const std::lock_guard lock(mutex_);
    state_ = "waiting to connect again";
    if (!ended.ok()) last_error_ = options_.broker.name() + ": " + ended.message();
  } while (pause(pauses.next_ns()));
}

SinkStatus MqttClient::status() const {
  const std::string trouble = buffer_.trouble();
  const std::lock_guard lock(mutex_);
  return {state_, buffer_.queued(), buffer_.dropped() + refused_,
          trouble.empty() ? last_error_ : trouble};
}

}  // namespace inferd::pipeline
