// SPDX-License-Identifier: Apache-2.0
//
// A thread talks to all clients, another one asks the pipeline. A client that has waited too long
// is gone and comes back as a new one, with a new picture: so the newest picture is looked at
// first, and the oldest of too many gets an answer without detections.
#include "daemon/serve/frigate/frigate_server.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/host/module.h"
#include "daemon/schedule/request.h"
#include "daemon/serve/frigate/messages.h"
#include "daemon/serve/frigate/zmq_socket.h"
#include "daemon/telemetry/log.h"
#include "daemon/telemetry/worker.h"

namespace inferd::serve::frigate {
namespace {

constexpr size_t kMaxWaiting = 4;              // pictures
constexpr int64_t kLongestMs = 10'000;         // that a picture may take
constexpr int64_t kSilentNs = 10'000'000'000;  // between two complaints

class FrigateServer final : public Server {
 public:
  FrigateServer(const config::FrigateListener& listener, pipeline::Pipelines& pipelines,
                std::unique_ptr<ZmqSocket> socket)
      : pipelines_(pipelines),
        pipeline_(listener.pipeline),
        format_(listener.format == "bgr" ? media::PixelFormat::kBgr : media::PixelFormat::kRgb),
        socket_(std::move(socket)),
        talker_([this] { talk(); }),
        asker_([this] { ask(); }) {}
  ~FrigateServer() override { stop(); }

  // Frigate knows no such thing.
  void announce_shutdown() override {}
  // Nothing is left open for long, and Frigate asks again.
  void shut_down(int64_t) override { stop(); }

 private:
  struct Picture {
    Header header;
    Message message;
  };

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    if (socket_ != nullptr) socket_->wake();
    if (asker_.joinable()) asker_.join();
    if (talker_.joinable()) talker_.join();
    socket_.reset();
  }

  // ---- By talker_ ----

  void talk() {
    telemetry::Worker worker("the thread that talks to Frigate");
    while (socket_->wait()) {
      const telemetry::Work work(worker);
      // A busy client does not keep answers waiting.
      Message message;
      for (size_t i = 0; i < kMaxWaiting && socket_->receive(message); ++i)
        take(std::exchange(message, {}));
      std::vector<Message> answers;
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        answers.swap(answers_);
      }
      for (const Message& answer : answers) socket_->send(answer);
    }
  }

  void take(Message message) {
    const Result<Header> header = message.parts.empty() ? invalid_argument("the message is empty")
                                                        : parse_header(message.parts[0]);
    if (header.ok() && header->kind != Header::Kind::kPicture)
      return socket_->send({message.client, {answer_to_model(header->kind, can_ask())}});
    if (!header.ok() || message.parts.size() != 2) {
      complain(header.ok() ? invalid_argument("the message must have a header and one tensor")
                           : header.status());
      return socket_->send(without_detections(message.client));
    }
    Message oldest;
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({*header, std::move(message)});
      changed_.notify_one();
      if (waiting_.size() <= kMaxWaiting) return;
      oldest = std::move(waiting_.front().message);
      waiting_.pop_front();
    }
    complain(
        resource_exhausted("pictures come faster than pipeline '" + pipeline_ + "' looks at them"));
    socket_->send(without_detections(oldest.client));
  }

  bool can_ask() const { return pipelines_.status(pipeline_).ok(); }

  // ---- By asker_ ----

  void ask() {
    telemetry::Worker worker("the thread that asks a pipeline for Frigate");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      const Picture picture = std::move(waiting_.back());
      waiting_.pop_back();
      lock.unlock();
      Message answer;
      {
        const telemetry::Work work(worker);
        answer = look_at(picture);
      }
      lock.lock();
      answers_.push_back(std::move(answer));
      socket_->wake();
    }
  }

  Message look_at(const Picture& picture) {
    const auto results = results_of(picture);
    if (results.ok()) return with(picture.message.client, table_of(*results));
    complain(results.status());
    return without_detections(picture.message.client);
  }

  Result<std::vector<pipeline::FrameResult>> results_of(const Picture& picture) {
    const std::string& tensor = picture.message.parts[1];
    const auto* bytes = reinterpret_cast<const uint8_t*>(tensor.data());
    INFERD_ASSIGN_OR_RETURN(const media::Picture pixels,
                            picture_in(picture.header, {bytes, tensor.size()}, format_));
    return pipelines_.ask(pipeline_, {.pixels = pixels, .timeout_ms = kLongestMs});
  }

  // ---- By both ----

  static Message with(const std::string& client, const Table& table) {
    return {client, {table_header(), {reinterpret_cast<const char*>(table.data()), sizeof(Table)}}};
  }
  static Message without_detections(const std::string& client) { return with(client, Table{}); }

  // Frigate is told nothing of what went wrong, so the log is; not of every picture.
  void complain(const Status& status) {
    const int64_t now = schedule::now_ns();
    const std::lock_guard lock(complaints_mutex_);
    if (complained_ns_ != 0 && now - complained_ns_ < kSilentNs) return;
    complained_ns_ = now;
    telemetry::log(LogLevel::kWarning,
                   "Frigate on '" + socket_->address() +
                       "' is told that nothing is in its pictures: " + status.message());
  }

  pipeline::Pipelines& pipelines_;
  const std::string pipeline_;
  const media::PixelFormat format_;
  std::unique_ptr<ZmqSocket> socket_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Picture> waiting_;   // by mutex_; the newest last
  std::vector<Message> answers_;  // by mutex_
  bool stopping_ = false;         // by mutex_
  std::mutex complaints_mutex_;
  int64_t complained_ns_ = 0;  // by complaints_mutex_
  std::thread talker_, asker_;
};

Result<std::unique_ptr<Server>> start(const config::FrigateListener& listener,
                                      pipeline::Pipelines& pipelines) {
  INFERD_ASSIGN_OR_RETURN(std::unique_ptr<ZmqSocket> socket,
                          ZmqSocket::listen(listener.address, listener.socket_mode));
  telemetry::log(LogLevel::kInfo, "serving Frigate on " + socket->address());
  return std::unique_ptr<Server>(
      std::make_unique<FrigateServer>(listener, pipelines, std::move(socket)));
}

}  // namespace
}  // namespace inferd::serve::frigate

INFERD_MODULE_FUNCTION(frigate_server, inferd::serve::StartFrigate, inferd::serve::frigate::start)
