// SPDX-License-Identifier: Apache-2.0
int inferd_nobody(void);
int inferd_nobody(void) { return 1; }
