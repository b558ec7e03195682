// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/push_stream.h"

#include <utility>

#include "daemon/pipeline/inlet.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {
namespace {

constexpr int kMaxOnTheirWay = 64;

using inferd::v1::PushFramesRequest;
using inferd::v1::PushFramesResponse;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// Without its lease; its bytes are the message's.
Result<pipeline::PushedFrame> read_frame(const PushFramesRequest& message) {
  using Kind = pipeline::PushedFrame::Kind;
  pipeline::PushedFrame frame;
  frame.capture_ns = message.capture_ns();
  switch (message.content_case()) {
    case PushFramesRequest::kPixels: {
      const inferd::v1::Pixels& pixels = message.pixels();
      frame.kind = Kind::kPixels;
      frame.width = pixels.width();
      frame.height = pixels.height();
      frame.stride = pixels.stride();
      frame.bytes = bytes_of(pixels.data());
      INFERD_ASSIGN_OR_RETURN(frame.format, media::parse_pixel_format(pixels.format()));
      return frame;
    }
    case PushFramesRequest::kEncoded:
      frame.kind = Kind::kEncoded;
      frame.bytes = bytes_of(message.encoded());
      return frame;
    case PushFramesRequest::kSamples:
      frame.kind = Kind::kSamples;
      frame.columns = message.samples().columns();
      frame.bytes = bytes_of(message.samples().data());
      return frame;
    case PushFramesRequest::CONTENT_NOT_SET:
      break;
  }
  return invalid_argument("the message has neither pixels nor samples");
}

}  // namespace

// Keeps a frame's message, and the stream that will answer it.
class PushStream::Lease final : public pipeline::Fate {
 public:
  Lease(std::shared_ptr<PushStream> stream, std::unique_ptr<Message> message)
      : stream_(std::move(stream)), message_(std::move(message)) {
    bytes_ = static_cast<int64_t>(message_->ByteSizeLong());
    response_.set_id(message_->id());
  }
  ~Lease() {
    message_ = nullptr;
    if (response_.code() == 0) response_.set_fate(static_cast<inferd::v1::FrameFate>(value()));
    stream_->answer(std::move(response_), bytes_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  const Message& message() const { return *message_; }
  // By the reader, before it gives up its own hold.
  void captured(int64_t ns) { response_.set_capture_ns(ns); }
  void refused(const Status& why) {
    response_.set_code(static_cast<int>(why.code()));
    response_.set_message(why.message());
  }

 private:
  const std::shared_ptr<PushStream> stream_;
  std::unique_ptr<Message> message_;
  PushFramesResponse response_;
  int64_t bytes_ = 0;
};

PushStream::Reactor* PushStream::open(pipeline::Pipelines& pipelines, int64_t max_bytes,
                                      const Status& allowed) {
  const auto stream = std::make_shared<PushStream>(Token(), pipelines, max_bytes);
  stream->self_ = stream;
  const std::lock_guard lock(stream->mutex_);
  stream->finished_ = !allowed.ok();
  if (stream->finished_) stream->Finish(to_grpc(allowed));
  stream->go_on();
  return stream.get();
}

void PushStream::OnReadDone(bool ok) {
  std::unique_ptr<Message> message;
  {
    const std::lock_guard lock(mutex_);
    message = std::move(arriving_);
    if (!ok) no_more_reads_ = true;
    if (!ok || stopping_) message = nullptr;
    if (message != nullptr) {
      ++on_their_way_;
      bytes_ += static_cast<int64_t>(message->ByteSizeLong());
    }
  }
  // Without the lock: a frame that is refused is answered here.
  if (message != nullptr) take(std::move(message));
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    over = go_on();
  }
  if (over) Finish(end_);
}

// False: the call is over.
bool PushStream::begin(const Message& message) {
  source_ = message.source();
  const Status status = source_.empty() ? invalid_argument("the first message names no source")
                                        : pipelines_.inlets().find(source_).status();
  if (status.ok()) return true;
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  end_ = to_grpc(status);
  return false;
}

void PushStream::take(std::unique_ptr<Message> message) {
  if (source_.empty()) {
    if (!begin(*message)) return;
    if (message->content_case() == PushFramesRequest::CONTENT_NOT_SET) {
      const std::lock_guard lock(mutex_);
      --on_their_way_;
      bytes_ -= static_cast<int64_t>(message->ByteSizeLong());
      return;
    }
  }
  const auto lease = std::make_shared<Lease>(shared_from_this(), std::move(message));
  auto frame = read_frame(lease->message());
  if (!frame.ok()) return lease->refused(frame.status());
  frame->lease = lease;
  const auto captured = pipelines_.inlets().put(source_, *std::move(frame));
  if (captured.ok()) {
    lease->captured(*captured);
  } else {
    lease->refused(captured.status());
  }
}

void PushStream::answer(PushFramesResponse response, int64_t bytes) {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    bytes_ -= bytes;
    if (stopping_) {
      --on_their_way_;
    } else {
      answers_.push_back(std::move(response));
    }
    over = go_on();
  }
  if (over) Finish(end_);
}

void PushStream::OnWriteDone(bool ok) {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    answers_.pop_front();
    --on_their_way_;
    if (!ok) stopping_ = true;
    over = go_on();
  }
  if (over) Finish(end_);
}

void PushStream::OnCancel() {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    over = go_on();
  }
  if (over) Finish(end_);
}

bool PushStream::go_on() {
  if (finished_) return false;
  if (!writing_ && !stopping_ && !answers_.empty()) {
    writing_ = true;
    StartWrite(&answers_.front());
  }
  if (no_more_reads_ || stopping_) {
    // Who was cancelled does not wait for pipelines; frames on their way keep this.
    finished_ = !writing_ && (stopping_ || on_their_way_ == 0);
    return finished_;
  }
  if (!reading_ && on_their_way_ < kMaxOnTheirWay && bytes_ < max_bytes_) {
    reading_ = true;
    arriving_ = std::make_unique<Message>();
    StartRead(arriving_.get());
  }
  return false;
}

}  // namespace inferd::serve
