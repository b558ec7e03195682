// SPDX-License-Identifier: Apache-2.0
//
// A file as Triton's model configuration, compared with a model.
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/models/declared.h"
#include "daemon/models/queue_options.h"

namespace inferd {
namespace {

void fuzz(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("config", MFD_CLOEXEC);
  if (::write(fd, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  const auto config = config::load_triton_model("/proc/self/fd/" + std::to_string(fd));
  ::close(fd);
  if (!config.ok()) {
    // Whoever wrote the file must be told something.
    if (config.status().message().empty()) __builtin_trap();
    return;
  }
  const schedule::QueueOptions options = models::queue_options(*config);
  const bool sane = options.max_batch >= 1 && options.instances >= 1 && options.max_queue >= 1 &&
                    options.priority_levels >= 1 && options.max_sequences >= 1;
  if (!sane) __builtin_trap();
  ModelInfo info;
  info.inputs = {{"image", DType::kFloat32, {kDynamicDim, 3, 224, kDynamicDim}, {}}};
  info.outputs = {{"scores", DType::kInt8, {kDynamicDim, 1000}, {}}};
  (void)models::check_declared(config->declared, info).ok();
}

}  // namespace
}  // namespace inferd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  inferd::fuzz(data, size);
  return 0;
}
