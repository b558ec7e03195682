// SPDX-License-Identifier: Apache-2.0
//
// In each module: which daemon it is of.

extern "C" {
extern __attribute__((visibility("default"))) const char* const inferd_module_version;
const char* const inferd_module_version = INFERD_VERSION;
}
