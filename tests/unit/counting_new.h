// SPDX-License-Identifier: Apache-2.0
//
// Counts every operator new of the process, and lets them fail. For one file of a program: it
// replaces the operators.
#pragma once

#include <cstdlib>
#include <new>

#include "tests/unit/allocations.h"

namespace inferd {

inline bool allocation_fails() {
  if (t_until_failure < 0) return false;
  return t_until_failure-- == 0;
}

inline void* counted_allocation(size_t size) {
  if (t_counted) g_allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace inferd

// Not inlined: where GCC sees free() in the place of a delete, it takes it for a mistake, since it
// does not look into the new (-Wmismatched-new-delete).
[[gnu::noinline]] void* operator new(size_t size) {
  if (inferd::allocation_fails()) throw std::bad_alloc();
  return inferd::counted_allocation(size);
}
[[gnu::noinline]] void* operator new[](size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return inferd::allocation_fails() ? nullptr : inferd::counted_allocation(size);
}
[[gnu::noinline]] void* operator new[](size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
