// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Interrupts that software raises, which simulated GPIO lines and sensors need, as a module: the
// kernel's own file is meant to be a part of it, and asks for a function that modules do not get.
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/module.h>

#define irq_to_desc(irq) irq_data_to_desc(irq_get_irq_data(irq))
#include "kernel/irq/irq_sim.c"

MODULE_LICENSE("GPL");
