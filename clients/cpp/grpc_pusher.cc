// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/grpc_pusher.h"

#include <chrono>
#include <utility>

#include "clients/cpp/push_fates.h"

namespace inferd {

GrpcPusher::GrpcPusher(inferd::v1::PipelineService::Stub& stub, const std::string& source,
                       const std::function<void(grpc::ClientContext&)>& prepare, Ended ended)
    : ended_(std::move(ended)) {
  prepare(context_);
  call_ = stub.PushFrames(&context_);
  inferd::v1::PushFramesRequest first;
  first.set_source(source);
  call_->Write(first);  // where it fails, the reader finds out why
  reader_ = std::thread([this] { read(); });
}

GrpcPusher::~GrpcPusher() {
  context_.TryCancel();
  reader_.join();
}

void GrpcPusher::read() {
  constexpr size_t kMostAnswers = 4096;  // of who never asks for them, the oldest go
  inferd::v1::PushFramesResponse in;
  while (call_->Read(&in)) {
    PushAnswer answer;
    answer.id = in.id();
    if (in.code() != 0) answer.status = Status(static_cast<StatusCode>(in.code()), in.message());
    if (in.code() == 0) answer.fate = fate_name(static_cast<size_t>(in.fate()));
    answer.capture_ns = in.capture_ns();
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    if (answers_.size() > kMostAnswers) answers_.pop_front();
    changed_.notify_all();
  }
  Status end = ended_(call_->Finish());
  const std::lock_guard lock(mutex_);
  end_ = end.ok() ? unavailable("the call has ended") : std::move(end);
  over_ = true;
  changed_.notify_all();
}

Result<uint64_t> GrpcPusher::push(const PushFrame& frame) {
  out_.Clear();
  out_.set_id(++last_);
  out_.set_capture_ns(frame.capture_ns);
  const auto* bytes = reinterpret_cast<const char*>(frame.bytes.data());
  if (frame.kind == PushFrame::Kind::kPixels) {
    auto* pixels = out_.mutable_pixels();
    pixels->set_width(frame.width);
    pixels->set_height(frame.height);
    pixels->set_format(frame.format);
    pixels->set_stride(frame.stride);
    pixels->set_data(bytes, frame.bytes.size());
  } else if (frame.kind == PushFrame::Kind::kEncoded) {
    out_.set_encoded(bytes, frame.bytes.size());
  } else {
    out_.mutable_samples()->set_columns(frame.columns);
    out_.mutable_samples()->set_data(bytes, frame.bytes.size());
  }
  if (call_->Write(out_)) return last_;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return over_; });
  return end_;
}

Result<PushAnswer> GrpcPusher::answer(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  const auto some = [&] { return over_ || !answers_.empty(); };
  if (timeout_ms < 0) {
    changed_.wait(lock, some);
  } else if (!changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), some)) {
    return deadline_exceeded("no answer within " + std::to_string(timeout_ms) + " ms");
  }
  if (answers_.empty()) return end_;
  PushAnswer answer = std::move(answers_.front());
  answers_.pop_front();
  return answer;
}

}  // namespace inferd
