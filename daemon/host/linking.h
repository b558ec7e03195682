// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace inferd::host {

// Unmaps what is read-only and as it is in its file: the tables of symbols and relocations of some
// sixty libraries, which the dynamic linker has read through and nobody will again, and what their
// initialisation ran. What is used after all is mapped again from the page cache. About ten
// megabytes of memory that the service is not charged for.
//
// Before there are threads: another one might be mapping a library meanwhile.
void forget_linking();

}  // namespace inferd::host
