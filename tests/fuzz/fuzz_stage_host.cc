// SPDX-License-Identifier: Apache-2.0
//
// What a process with somebody's library answers about a frame: unpacked, checked and taken.
#include "daemon/pipeline/custom/exchange.h"
#include "daemon/pipeline/custom/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd::pipeline;  // NOLINT(google-build-using-namespace)
  static const Frame frame;
  HostAnswer answer;
  if (!unpack_answer({reinterpret_cast<const std::byte*>(data), size}, answer)) return 0;
  Work work;
  work.frame = &frame;
  work.detections = {{{0, 0, 1, 1}, 0.5F, 1, "cat", {{0.5F, 0.5F, 1}}}};
  Exchange exchange;
  (void)exchange.show(work);
  const inferd::Status status = exchange.take(answer.output, work);
  if (!status.ok() && work.detections.size() != 1) __builtin_trap();
  // What can be read can be written, and is the same.
  Bytes again;
  pack_answer(answer.code, answer.error, answer.output, again);
  HostAnswer same;
  if (!unpack_answer(again, same)) __builtin_trap();
  if (same.output.detection_count != answer.output.detection_count) __builtin_trap();
  return 0;
}
