// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "engine/base/crc32c.h"
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

template <typename F>
const WeightCache::Entry* WeightCache::first(const kernels::OpDesc& op, F accept) const {
  const auto [begin, end] = entries_.equal_range(first_constant(op));
  for (auto it = begin; it != end; ++it) {
    if (same_weights(it->second.op, op) && accept(it->second)) return &it->second;
  }
  return nullptr;
}

Result<std::shared_ptr<const kernels::PackedWeights>> WeightCache::get(
    const kernels::Kernel& kernel, const kernels::OpDesc& op,
    std::span<const std::shared_ptr<const Constant>> constants) {
  std::shared_ptr<const kernels::PackedWeights> packed;
  if (kernel.pack == nullptr) return packed;
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& entry) {
    return entry.second.packed.expired() && entry.second.stored.empty();
  });
  const auto [begin, end] = entries_.equal_range(first_constant(op));
  for (auto it = begin; it != end; ++it) {
    Entry& entry = it->second;
    if (entry.kernel != &kernel || !same_weights(entry.op, op)) continue;
    if ((packed = entry.packed.lock()) != nullptr) return packed;
    if (!entry.stored.empty()) return restore(entry, op);
  }
  for (const auto& constant : constants) INFERD_RETURN_IF_ERROR(constant->check());
  const std::vector<ConstantUse> uses(constants.begin(), constants.end());
  packed = kernel.pack(op, nullptr);
  if (packed != nullptr) {
    entries_.emplace(first_constant(op), Entry{&kernel, op, packed, {}, 0, false});
  }
  return packed;
}

Result<std::shared_ptr<const kernels::PackedWeights>> WeightCache::restore(
    Entry& entry, const kernels::OpDesc& op) {
  if (!entry.intact && crc32c(entry.stored) != entry.checksum) {
    return data_loss("the file is corrupt: the checksum of packed weights does not match");
  }
  entry.intact = true;
  kernels::StoredWeights stored(entry.stored);
  std::shared_ptr<const kernels::PackedWeights> packed = entry.kernel->pack(op, &stored);
  if (packed == nullptr || !stored.fits()) {
    return data_loss("packed weights of " + std::to_string(entry.stored.size()) +
                     " bytes do not fit kernel " + entry.kernel->name);
  }
  entry.packed = packed;
  return packed;
}

void WeightCache::add_stored(const kernels::Kernel& kernel, const kernels::OpDesc& op,
                             std::span<const std::byte> bytes, uint32_t checksum) {
  const std::lock_guard lock(mutex_);
  entries_.emplace(first_constant(op), Entry{&kernel, op, {}, bytes, checksum, false});
}

const kernels::Kernel* WeightCache::stored_for(const kernels::OpDesc& op) const {
  const std::lock_guard lock(mutex_);
  const Entry* const entry = first(op, [](const Entry& e) { return !e.stored.empty(); });
  return entry == nullptr ? nullptr : entry->kernel;
}

std::optional<WeightCache::Packed> WeightCache::find(const kernels::OpDesc& op) const {
  const std::lock_guard lock(mutex_);
  const Entry* const entry = first(op, [](const Entry& e) { return !e.packed.expired(); });
  if (entry == nullptr) return std::nullopt;
  return Packed{entry->kernel, entry->packed.lock()};
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
