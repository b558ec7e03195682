// SPDX-License-Identifier: Apache-2.0
//
// Operators that move runs of elements: concat, pad, gather; and the index of a maximum along the
// last axis.
#pragma once

#include <memory>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

bool accepts_concat(const OpDesc& op);
std::unique_ptr<Prepared> plan_concat(const OpDesc& op, const PackedWeights*);
void run_concat(const RunArgs& args);

bool accepts_pad(const OpDesc& op);
std::unique_ptr<Prepared> plan_pad(const OpDesc& op, const PackedWeights*);
void run_pad(const RunArgs& args);

bool accepts_gather(const OpDesc& op);
void run_gather(const RunArgs& args);

bool accepts_arg_max(const OpDesc& op);
void run_arg_max(const RunArgs& args);

}  // namespace inferd::kernels::generic
