// SPDX-License-Identifier: Apache-2.0
//
// Large memory straight from the system: zeroed, page-aligned, given back when freed, and in huge
// pages where it is large enough and the system allows it (streaming tens of megabytes of weights
// otherwise spends its time on address translation).
#pragma once

#include <cstddef>

namespace inferd {

// Null when there is no memory. `bytes` > 0.
void* map_pages(size_t bytes);
// Gives the memory back but not the addresses: pages of what map_pages() returned are zero again.
void empty_pages(void* address, size_t bytes);
// What map_pages(bytes) returned.
void unmap_pages(void* address, size_t bytes);

}  // namespace inferd
