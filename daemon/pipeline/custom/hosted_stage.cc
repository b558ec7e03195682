// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/hosted_stage.h"

#include <algorithm>
#include <cstring>

namespace inferd::pipeline {
namespace {

constexpr int64_t kStartNs = 10'000'000'000;

size_t sample_bytes(const Samples& samples) {
  return samples.rows > 0 ? samples.values.size() * sizeof(float) : 0;
}

}  // namespace

Result<std::unique_ptr<HostedStage>> HostedStage::start(const HostOptions& options) {
  std::unique_ptr<HostedStage> hosted(new HostedStage(options.timeout_ns));
  INFERD_RETURN_IF_ERROR(hosted->process_.start(options.memory_bytes));
  pack_hello(options.stage, hosted->packet_);
  INFERD_RETURN_IF_ERROR(hosted->exchange(-1, kStartNs));
  const HostAnswer& answer = hosted->answer_;
  if (answer.code != INFERD_STAGE_OK)
    return Status(static_cast<StatusCode>(std::clamp(answer.code, 1, 15)), answer.error);
  return hosted;
}

Result<bool> HostedStage::process(const Frame& frame, const inferd_stage_frame& shown,
                                  inferd_stage_output& output) {
  inferd_stage_frame copied = shown;
  bool new_memory = false;
  INFERD_RETURN_IF_ERROR(copy(frame, copied, new_memory));
  pack_frame(copied, memory_ == nullptr ? nullptr : memory_->data(), packet_);
  INFERD_RETURN_IF_ERROR(exchange(new_memory ? memory_->fd() : -1, timeout_ns_));
  output = answer_.output;
  if (answer_.code == INFERD_STAGE_OK) return true;
  if (answer_.code == INFERD_STAGE_LEAVE_OUT) return false;
  return internal_error(answer_.error);
}

// Into the memory, where `shown` then points.
Status HostedStage::copy(const Frame& frame, inferd_stage_frame& shown, bool& is_new) {
  const media::Picture& picture = frame.picture;
  size_t pixels = 0;
  if (picture.width > 0) {
    INFERD_ASSIGN_OR_RETURN(pixels,
                            media::packed_bytes(picture.format, picture.width, picture.height));
  }
  const size_t samples = sample_bytes(frame.samples);
  if (samples + pixels == 0) return ok_status();
  INFERD_RETURN_IF_ERROR(reserve(samples + pixels, is_new));
  // Samples first, where floats may lie.
  if (samples > 0) {
    std::memcpy(memory_->data(), frame.samples.values.data(), samples);
    shown.samples = reinterpret_cast<const float*>(memory_->data());
  }
  if (pixels == 0) return ok_status();
  const std::span<uint8_t> room(reinterpret_cast<uint8_t*>(memory_->data()) + samples, pixels);
  INFERD_ASSIGN_OR_RETURN(const media::Picture packed, media::copy_packed(picture, room));
  for (size_t p = 0; p < packed.planes.size(); ++p) {
    shown.planes[p] = packed.planes[p];
    shown.strides[p] = packed.strides[p];
  }
  return ok_status();
}

Status HostedStage::reserve(size_t bytes, bool& is_new) {
  is_new = memory_ == nullptr || memory_->size() < bytes;
  if (!is_new) return ok_status();
  INFERD_ASSIGN_OR_RETURN(memory_, SharedBytes::create(bytes));
  return ok_status();
}

Status HostedStage::exchange(int memory, int64_t timeout_ns) {
  if (packet_.size() > kMaxPacket) {
    memory_.reset();  // the process has not got it
    return invalid_argument("its keys, or what the stages before found, take more than 128 KiB");
  }
  INFERD_RETURN_IF_ERROR(process_.ask(packet_, memory, timeout_ns));
  if (!unpack_answer(packet_, answer_)) return unavailable("its process answered nonsense");
  return ok_status();
}

}  // namespace inferd::pipeline
