// SPDX-License-Identifier: Apache-2.0
//
// Needs a library that no folder has in which one is looked for.
int inferd_nobody(void);
int inferd_module_source(void);
int inferd_module_source(void) { return inferd_nobody(); }
