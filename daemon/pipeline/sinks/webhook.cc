// SPDX-License-Identifier: Apache-2.0
//
// Results by HTTP POST, in a thread of its own.
#include <curl/curl.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "daemon/host/module.h"
#include "daemon/pipeline/pauses.h"
#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/draw_result.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"
#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kFirstPauseNs = 500'000'000, kLongestPauseNs = 30'000'000'000;
constexpr int64_t kFarewellNs = 1'000'000'000;
constexpr int kJpegQuality = 85;

struct Options {
  std::string url, ca, token_file;
  std::vector<std::string> headers;
  long timeout_ms = 0;
  int retries = 0;
  int64_t min_interval_ms = 0;
  bool snapshot = false;
  size_t queue = 0;
};

struct Message {
  std::string json;
  std::vector<uint8_t> jpeg;  // empty: none
};

size_t ignore(char*, size_t size, size_t count, void*) { return size * count; }

// How a request ended.
struct Answer {
  std::string error = {};  // empty: it was taken
  bool again = false;      // may be worth another try
};

// A connection to one server, kept between requests. Used by one thread.
class Poster {
 public:
  explicit Poster(const Options& options) : options_(options) {
    static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (initialized == CURLE_OK) curl_ = curl_easy_init();
  }
  ~Poster() { curl_easy_cleanup(curl_); }
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  // Ends early where `cancelled` says so.
  Answer post(const Message& message, const std::function<bool()>& cancelled) {
    if (curl_ == nullptr) return {"libcurl cannot be used"};
    curl_easy_reset(curl_);
    std::string token;
    if (!options_.token_file.empty()) {
      std::ifstream file(options_.token_file);
      if (!std::getline(file, token))
        return {"cannot read the token in '" + options_.token_file + "'", true};
    }
    curl_slist* headers = nullptr;
    for (const std::string& header : options_.headers)
      headers = curl_slist_append(headers, header.c_str());
    if (!token.empty())
      headers = curl_slist_append(headers, ("Authorization: Bearer " + token).c_str());
    curl_mime* form = nullptr;
    if (message.jpeg.empty()) {
      headers = curl_slist_append(headers, "Content-Type: application/json");
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE, static_cast<long>(message.json.size()));
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, message.json.data());
    } else {
      form = form_of(message);
      curl_easy_setopt(curl_, CURLOPT_MIMEPOST, form);
    }
    headers = curl_slist_append(headers, "Expect:");  // no asking first
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
    const Answer answer = perform(cancelled);
    curl_mime_free(form);
    curl_slist_free_all(headers);
    return answer;
  }

 private:
  curl_mime* form_of(const Message& message) {
    curl_mime* form = curl_mime_init(curl_);
    curl_mimepart* part = curl_mime_addpart(form);
    curl_mime_name(part, "result");
    curl_mime_type(part, "application/json");
    curl_mime_data(part, message.json.data(), message.json.size());
    part = curl_mime_addpart(form);
    curl_mime_name(part, "snapshot");
    curl_mime_filename(part, "snapshot.jpg");
    curl_mime_type(part, "image/jpeg");
    curl_mime_data(part, reinterpret_cast<const char*>(message.jpeg.data()), message.jpeg.size());
    return form;
  }

  Answer perform(const std::function<bool()>& cancelled) {
    const curl_xferinfo_callback progress = [](void* self, curl_off_t, curl_off_t, curl_off_t,
                                               curl_off_t) {
      return (*static_cast<const std::function<bool()>*>(self))() ? 1 : 0;
    };
    curl_easy_setopt(curl_, CURLOPT_URL, options_.url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, options_.timeout_ms);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "inferd");
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &ignore);
    curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, &cancelled);
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
    if (!options_.ca.empty()) curl_easy_setopt(curl_, CURLOPT_CAINFO, options_.ca.c_str());
    const CURLcode code = curl_easy_perform(curl_);
    if (code != CURLE_OK) return {options_.url + ": " + curl_easy_strerror(code), true};
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) return {};
    const bool again = status >= 500 || status == 408 || status == 429;
    return {options_.url + ": answers with status " + std::to_string(status), again};
  }

  const Options& options_;
  CURL* curl_ = nullptr;
};

class Webhook final : public Sink {
 public:
  Webhook(Options options, Choice choice)
      : options_(std::move(options)), choice_(std::move(choice)), thread_([this] { run(); }) {}
  ~Webhook() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ns_ = schedule::now_ns();
    }
    changed_.notify_all();
    thread_.join();
  }

  bool looks() const override { return options_.snapshot; }
  Status write(const Frame& frame, const FrameResult& result) override {
    const int64_t now = schedule::now_ns();
    const bool early = last_ns_ != 0 && now - last_ns_ < options_.min_interval_ms * 1'000'000;
    // A change that comes too early is still one later.
    if (early || !choice_.takes(result)) return troubles_.next(status());
    last_ns_ = now;
    Message message;
    append_json(result, message.json);
    if (options_.snapshot && frame.picture.width > 0) {
      media::to_rgb(frame.picture, picture_);
      draw_result(result, picture_);
      INFERD_ASSIGN_OR_RETURN(message.jpeg, media::encode_jpeg(picture_, kJpegQuality));
    }
    {
      const std::lock_guard lock(mutex_);
      if (queue_.size() >= options_.queue) {
        queue_.pop_front();
        ++dropped_;
      }
      queue_.push_back(std::move(message));
    }
    changed_.notify_all();
    return troubles_.next(status());
  }

  SinkStatus status() const override {
    const std::lock_guard lock(mutex_);
    return {state_, queue_.size() + (busy_ ? 1 : 0), dropped_, last_error_};
  }

 private:
  void run() {
    Poster poster(options_);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return !queue_.empty() || stop_ns_ != 0; });
      if (queue_.empty()) return;
      const Message message = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      const std::string error = send(poster, message);
      lock.lock();
      busy_ = false;
      state_ = error.empty() ? "sending" : "failing";
      if (!error.empty()) ++dropped_;
    }
  }

  // Why it could not be sent; empty: it was.
  std::string send(Poster& poster, const Message& message) {
    Pauses pauses(kFirstPauseNs, kLongestPauseNs);
    for (int left = options_.retries;; --left) {
      const Answer answer = poster.post(message, [this] { return out_of_time(); });
      if (answer.error.empty()) return "";
      std::unique_lock lock(mutex_);
      last_error_ = answer.error;
      if (left > 0 && answer.again) state_ = "waiting to try again";
      if (left <= 0 || !answer.again || stop_ns_ != 0) return answer.error;
      changed_.wait_for(lock, std::chrono::nanoseconds(pauses.next_ns()),
                        [&] { return stop_ns_ != 0; });
    }
  }

  bool out_of_time() const {
    const std::lock_guard lock(mutex_);
    return stop_ns_ != 0 && schedule::now_ns() - stop_ns_ > kFarewellNs;
  }

  const Options options_;
  // Of the pipeline's thread.
  Choice choice_;
  Troubles troubles_;
  int64_t last_ns_ = 0;
  media::Image picture_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> queue_;  // by mutex_, as all below
  bool busy_ = false;          // with one more
  int64_t stop_ns_ = 0;        // since when it ends; 0: it does not
  uint64_t dropped_ = 0;
  std::string state_ = "waiting for a result", last_error_;

  std::thread thread_;
};

Result<std::unique_ptr<Sink>> make_webhook(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options o;
  o.url = r.required_text("url");
  o.headers = r.list("headers");
  o.token_file = path_key(r, node, "token_file");
  o.ca = path_key(r, node, "ca");
  o.timeout_ms = static_cast<long>(r.integer("timeout_ms", 5000, 1, 600'000));
  o.retries = static_cast<int>(r.integer("retries", 3, 0, 1000));
  o.min_interval_ms = r.integer("min_interval_ms", 0, 0, int64_t{86'400'000});
  o.snapshot = r.boolean("snapshot", false);
  o.queue = static_cast<size_t>(r.integer("queue", 32, 1, 10'000));
  Choice choice = Choice::from(r, "detections");
  INFERD_RETURN_IF_ERROR(r.finish());
  if (!o.url.starts_with("http://") && !o.url.starts_with("https://"))
    return bad_key(node, "url", "'url' must begin with http:// or https://");
  for (const std::string& header : o.headers) {
    if (header.find(':') == std::string::npos || header.find_first_of("\r\n") != std::string::npos)
      return bad_key(node, "headers", "'headers' must be like 'Name: value'");
  }
  INFERD_RETURN_IF_ERROR(check_readable(node, "token_file", o.token_file));
  INFERD_RETURN_IF_ERROR(check_readable(node, "ca", o.ca));
  return std::unique_ptr<Sink>(std::make_unique<Webhook>(std::move(o), std::move(choice)));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(sink_webhook, inferd::pipeline::MakeSink, inferd::pipeline::make_webhook)
