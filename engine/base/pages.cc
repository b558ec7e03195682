// SPDX-License-Identifier: Apache-2.0
#include "engine/base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace inferd {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

void* map(size_t bytes) {
  void* address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? nullptr : address;
}

}  // namespace

void* map_pages(size_t bytes) {
  if (bytes < kHugePage || bytes > SIZE_MAX / 2) return map(bytes);
  // Huge pages begin at multiples of their size: map more and give the ends back.
  auto* const all = static_cast<std::byte*>(map(bytes + kHugePage));
  if (all == nullptr) return nullptr;
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(all) % kHugePage) % kHugePage;
  if (before > 0) ::munmap(all, before);
  std::byte* const begin = all + before;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t used = (bytes + page - 1) / page * page;
  const size_t mapped = (bytes + kHugePage + page - 1) / page * page;
  if (mapped > before + used) ::munmap(begin + used, mapped - before - used);
#ifdef MADV_HUGEPAGE
  ::madvise(begin, bytes, MADV_HUGEPAGE);  // a wish: no harm when it is not granted
#endif
  return begin;
}

void empty_pages(void* address, size_t bytes) { ::madvise(address, bytes, MADV_DONTNEED); }

void unmap_pages(void* address, size_t bytes) { ::munmap(address, bytes); }

}  // namespace inferd
