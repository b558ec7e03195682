// SPDX-License-Identifier: Apache-2.0
#include "media/resample/rows.h"

namespace inferd::media {
namespace {

std::vector<const RowKernels*> found() {
  std::vector<const RowKernels*> rows;
#if defined(__x86_64__)
  // These two are all that matters here, which is less than what the engine's kernels ask for.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) rows.push_back(&kAvx2Rows);
  if (__builtin_cpu_supports("sse4.1")) rows.push_back(&kSse4Rows);
#elif defined(__aarch64__)
  rows.push_back(&kNeonRows);
#endif
  rows.push_back(&kPortableRows);
  return rows;
}

}  // namespace

std::span<const RowKernels* const> row_kernels() {
  static const std::vector<const RowKernels*> rows = found();
  return rows;
}

}  // namespace inferd::media
