// SPDX-License-Identifier: Apache-2.0
//
// Large float products through OpenBLAS: fully connected, matrix product and 1x1 convolution with
// constant weights, read where they lie in the model. OpenBLAS runs on one thread; the rows are
// split over the engine's own pool. The library is loaded for the first such product: quantized
// models need none of its tens of megabytes, and where it is not installed other kernels serve.
#if defined(INFERD_HAVE_OPENBLAS)

#include <cblas.h>
#include <dlfcn.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::openblas {
namespace {

// What is used of the library, valid to the end of the process. Null: it is not installed.
struct Library {
  decltype(&::cblas_sgemm) sgemm;

  static const Library* get() {
    static const std::optional<Library> library = load();
    return library ? &*library : nullptr;
  }

 private:
  static std::optional<Library> load() {
    void* const file = ::dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (file == nullptr) return std::nullopt;
    const auto sgemm = reinterpret_cast<decltype(&::cblas_sgemm)>(::dlsym(file, "cblas_sgemm"));
    const auto set_threads = reinterpret_cast<decltype(&::openblas_set_num_threads)>(
        ::dlsym(file, "openblas_set_num_threads"));
    if (sgemm == nullptr || set_threads == nullptr) return std::nullopt;
    set_threads(1);  // process-wide
    return Library{sgemm};
  }
};

bool accepts(const OpDesc& op) {
  if (!generic::accepts_float_matrix(op) || op.inputs[1].dtype != DType::kFloat32) return false;
  const generic::MatrixForm form = generic::matrix_form(op);
  constexpr int64_t kMost = std::numeric_limits<blasint>::max();
  return form.rows_are_input && form.rows <= kMost && form.columns <= kMost && form.depth > 0 &&
         form.depth <= kMost && Library::get() != nullptr;
}

// Its packing of both operands on every call pays only in large products, and a few rows are bound
// by reading the weights once, which any kernel does at the same speed.
double cost(const OpDesc& op) {
  constexpr double kLargeMacs = 32e6;
  constexpr int64_t kManyRows = 64;
  constexpr double kMacsPerCycleLarge = 14;
  constexpr double kMacsPerCycleSmall = 1;
  const generic::MatrixForm form = generic::matrix_form(op);
  const double macs = generic::macs(op);
  const bool large = macs >= kLargeMacs && form.rows >= kManyRows && form.columns >= kManyRows;
  return macs / (large ? kMacsPerCycleLarge : kMacsPerCycleSmall);
}

void run(const RunArgs& args) {
  const generic::MatrixForm form = generic::matrix_form(args.op);
  const Activation activation = generic::activation_of(args.op);
  const float* const x = args.input<float>(0);
  const float* const w = args.input<float>(1);
  const float* const bias = args.op.has_input(2) ? args.input<float>(2) : nullptr;
  float* const y = args.output<float>(0);
  const auto columns = static_cast<blasint>(form.columns);
  const auto depth = static_cast<blasint>(form.depth);
  const auto multiply = [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end && bias != nullptr; ++row) {
      std::copy_n(bias, form.columns, y + row * form.columns);
    }
    Library::get()->sgemm(CblasRowMajor, CblasNoTrans,
                          form.weights_by_depth ? CblasNoTrans : CblasTrans,
                          static_cast<blasint>(end - begin), columns, depth, 1.F,
                          x + begin * form.depth, depth, w, form.weights_by_depth ? columns : depth,
                          bias != nullptr ? 1.F : 0.F, y + begin * form.columns, columns);
    if (activation.none()) return;
    for (int64_t i = begin * form.columns; i < end * form.columns; ++i) {
      y[i] = std::min(std::max(y[i], activation.min), activation.max);
    }
  };
  int64_t threads = args.pool.threads();
  if (args.max_threads > 0) threads = std::min<int64_t>(threads, args.max_threads);
  args.parallel_for(form.rows, (form.rows + threads - 1) / threads, multiply);
}

constexpr Kernel row(const char* name, OpKind kind) {
  return {name, kind, Isa::kPortable, accepts, cost, nullptr, nullptr, run};
}

constexpr Kernel kRows[] = {
    row("conv2d_f32_openblas", OpKind::kConv2d),
    row("fully_connected_f32_openblas", OpKind::kFullyConnected),
    row("matmul_f32_openblas", OpKind::kMatMul),
};

}  // namespace

std::span<const Kernel> rows() { return kRows; }

}  // namespace inferd::kernels::openblas

#endif  // INFERD_HAVE_OPENBLAS
