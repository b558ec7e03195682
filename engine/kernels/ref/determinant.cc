// SPDX-License-Identifier: Apache-2.0
//
// Gaussian elimination with partial pivoting, in float64.
#include <algorithm>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// Destroys `a`, [n,n].
double determinant(double* a, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::fabs(a[i * n + k]) > std::fabs(a[pivot * n + k])) pivot = i;
    }
    if (a[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + pivot * n);
      product = -product;
    }
    product *= a[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (int64_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return product;
}

template <typename T>
void determinants(const RunArgs& args) {
  const int64_t n = args.op.inputs[0].shape.back();
  auto* const matrix = reinterpret_cast<double*>(args.scratch);
  const int64_t count = args.op.outputs[0].elements();
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(args.input<T>(0) + i * n * n, n * n, matrix);
    args.output<T>(0)[i] = static_cast<T>(determinant(matrix, n));
  }
}

}  // namespace

bool accepts_determinant(const OpDesc& op) {
  const DType type = op.inputs[0].dtype;
  return (type == DType::kFloat32 || type == DType::kFloat64) && op.outputs[0].dtype == type;
}

std::unique_ptr<Prepared> prepare_determinant(const OpDesc& op, const PackedWeights*) {
  const int64_t n = op.inputs[0].shape.back();
  auto prepared = std::make_unique<Prepared>();
  prepared->scratch_bytes = bytes_of<double>(n * n);
  return prepared;
}

void run_determinant(const RunArgs& args) {
  args.op.inputs[0].dtype == DType::kFloat64 ? determinants<double>(args)
                                             : determinants<float>(args);
}

}  // namespace inferd::kernels::ref
