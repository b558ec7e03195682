// SPDX-License-Identifier: Apache-2.0
//
// Every folder of kernels, in one list. A folder exists in a build when its architecture does;
// whether this CPU can run a row is asked at run time.
#include "engine/kernels/candidates.h"

#include <algorithm>
#include <deque>
#include <string>

#include "engine/kernels/folders.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels {
namespace {

bool is_reference(const Kernel& kernel) {
  return std::string_view(kernel.name).starts_with("ref_");
}

struct Table {
  std::vector<Kernel> rows;
  std::deque<std::string> names;  // of the rows that end in their ISA
};

Table collect() {
  Table table;
  const auto append = [&](std::span<const Kernel> folder) {
    for (const Kernel& row : folder) {
      table.rows.push_back(row);
      if (is_reference(row)) continue;
      table.names.push_back(std::string(row.name) + "_" + std::string(isa_name(row.isa)));
      table.rows.back().name = table.names.back().c_str();
    }
  };
#if defined(INFERD_HAVE_AVX512_VNNI)
  append(avx512_vnni::rows());
#endif
#if defined(INFERD_HAVE_AVX_VNNI)
  append(avx_vnni::rows());
#endif
#if defined(INFERD_HAVE_AVX2)
  append(avx2::rows());
#endif
#if defined(INFERD_HAVE_NEON_I8MM)
  append(neon_i8mm::rows());
#endif
#if defined(INFERD_HAVE_NEON_DOT)
  append(neon_dot::rows());
#endif
#if defined(INFERD_HAVE_NEON_FP16)
  append(neon_fp16::rows());
#endif
#if defined(INFERD_HAVE_NEON)
  append(neon::rows());
  append(neon::elementwise_rows());
#endif
#if defined(INFERD_HAVE_OPENBLAS)
  table.rows.insert(table.rows.end(), openblas::rows().begin(), openblas::rows().end());
#endif
  append(portable::rows());
  append(ref::rows());
  return table;
}

bool matches(const Kernel& kernel, std::string_view wanted) {
  if (wanted == "ref") return is_reference(kernel);
  if (wanted == kernel.name) return true;
  return wanted == isa_name(kernel.isa) && !is_reference(kernel);
}

// pack() takes the constants over, and only knows those that are weights: data that is constant
// would be lost. Folding leaves no such operator but what was too large for it.
bool loses_data(const Kernel& kernel, const OpDesc& op) {
  return kernel.pack != nullptr && op.inputs[0].is_constant();
}

}  // namespace

std::span<const Kernel> all() {
  static const Table table = collect();
  return table.rows;
}

std::vector<const Kernel*> accepting(const OpDesc& op, Precision precision) {
  std::vector<std::pair<double, const Kernel*>> found;
  for (const Kernel& kernel : all()) {
    const bool precise = !kernel.has(kHalfPrecision) || precision == Precision::kHalf;
    if (kernel.op == op.kind && precise && cpu_has(kernel.isa) && !loses_data(kernel, op) &&
        kernel.accepts(op)) {
      found.emplace_back(kernel.cost(op), &kernel);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const Kernel*> kernels;
  for (const auto& [cost, kernel] : found) kernels.push_back(kernel);
  return kernels;
}

const Kernel* choose(const OpDesc& op, std::span<const std::string> prefer, Precision precision) {
  const std::vector<const Kernel*> kernels = accepting(op, precision);
  for (const std::string& wanted : prefer) {
    for (const Kernel* kernel : kernels) {
      if (matches(*kernel, wanted)) return kernel;
    }
  }
  return kernels.empty() ? nullptr : kernels.front();
}

std::vector<const Kernel*> declining(const OpDesc& op, const Kernel& chosen) {
  const bool is_float = op.outputs[0].dtype == DType::kFloat32;
  std::vector<const Kernel*> kernels;
  for (const Kernel& kernel : all()) {
    const std::string_view name = kernel.name;
    const bool other_type = name.find(is_float ? "_q8_" : "_f32_") != std::string_view::npos;
    const bool better = is_reference(chosen) ? !is_reference(kernel) : kernel.isa > chosen.isa;
    if (kernel.op == op.kind && better && !other_type && !kernel.has(kHalfPrecision) &&
        cpu_has(kernel.isa) && !kernel.accepts(op)) {
      kernels.push_back(&kernel);
    }
  }
  return kernels;
}

bool has_half_precision() {
  return std::ranges::any_of(all(), [](const Kernel& kernel) {
    return kernel.has(kHalfPrecision) && cpu_has(kernel.isa);
  });
}

const Kernel* reference(const OpDesc& op) {
  for (const Kernel& kernel : ref::rows()) {
    if (kernel.op == op.kind && kernel.accepts(op)) return &kernel;
  }
  return nullptr;
}

void run_reference(const OpDesc& op, std::span<const std::byte* const> inputs,
                   std::span<std::byte* const> outputs) {
  ThreadPool pool(1);
  reference(op)->run({.op = op,
                      .packed = nullptr,
                      .prepared = nullptr,
                      .inputs = inputs,
                      .outputs = outputs,
                      .scratch = nullptr,
                      .pool = pool});
}

}  // namespace inferd::kernels
