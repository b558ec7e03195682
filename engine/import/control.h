// SPDX-License-Identifier: Apache-2.0
//
// What the lowerings of ifs and loops of all formats share. Private to import.
#pragma once

#include "engine/import/lowering.h"

namespace inferd::import {

// What the body attribute `name` of the node is, or INVALID_ARGUMENT.
Result<std::shared_ptr<const ForeignGraph>> body_attr(const ForeignNode& node,
                                                      const std::string& name);

// Types of a body's input: as the value is, or, for what a loop carries, of any size.
Lowering::BodyInput input_like(const Lowering& l, ir::ValueId id);
Lowering::BodyInput carried_like(const Lowering& l, ir::ValueId id);

// A single number, for which formats have [1] and [], as [].
Result<ir::ValueId> as_scalar(Lowering& l, ir::ValueId id, const ForeignNode& node);

// int64[] and bool[].
ir::ValueId scalar_int64(Lowering& l, int64_t value);
ir::ValueId true_scalar(Lowering& l);

// Adds a node with bodies and makes its outputs those of `foreign`. `untyped`: of each output of
// the bodies, whether its type is known only later.
Status add_with_bodies(Lowering& l, const ForeignNode& foreign, ir::Node node,
                       const std::vector<bool>& untyped);

}  // namespace inferd::import
