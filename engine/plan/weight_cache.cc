// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "engine/plan/plan.h"

namespace inferd::plan {
namespace {

const std::byte* first_constant(const kernels::OpDesc& op) {
  for (const kernels::Operand& input : op.inputs) {
    if (input.is_constant()) return input.data;
  }
  return nullptr;
}

// Everything pack() may look at: constants whole, activations but for their shape.
bool same_operand(const kernels::Operand& a, const kernels::Operand& b) {
  return a.data == b.data && a.dtype == b.dtype && a.quantization == b.quantization &&
         (!a.is_constant() || a.shape == b.shape);
}

bool same_weights(const kernels::OpDesc& a, const kernels::OpDesc& b) {
  return a.kind == b.kind && a.attrs == b.attrs &&
         std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(),
                    same_operand) &&
         std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(),
                    same_operand);
}

}  // namespace

std::shared_ptr<const kernels::PackedWeights> WeightCache::get(
    const kernels::Kernel& kernel, const kernels::OpDesc& op,
    std::span<const std::shared_ptr<const Constant>> constants) {
  if (kernel.pack == nullptr) return nullptr;
  const std::byte* key = first_constant(op);
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.packed.expired(); });
  const auto [begin, end] = entries_.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    if (it->second.kernel != &kernel || !same_weights(it->second.op, op)) continue;
    if (auto packed = it->second.packed.lock()) return packed;
  }
  const std::vector<ConstantUse> uses(constants.begin(), constants.end());
  std::shared_ptr<const kernels::PackedWeights> packed = kernel.pack(op);
  if (packed != nullptr) entries_.emplace(key, Entry{&kernel, op, packed});
  return packed;
}

int64_t WeightCache::bytes() const {
  const std::lock_guard lock(mutex_);
  int64_t total = 0;
  for (const auto& [key, entry] : entries_) {
    if (auto packed = entry.packed.lock()) total += static_cast<int64_t>(packed->bytes());
  }
  return total;
}

}  // namespace inferd::plan
