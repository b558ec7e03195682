// SPDX-License-Identifier: Apache-2.0
const char* const inferd_module_version = "0.0.1";
const int inferd_module_source = 0;
