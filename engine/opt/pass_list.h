// SPDX-License-Identifier: Apache-2.0
//
// The passes by name, for the table in passes.cc and for tests. Each is described at its
// definition.
#pragma once

#include "engine/opt/passes.h"

namespace inferd::opt {

Result<bool> lower_late(ir::Graph&, const PassContext&);
Result<bool> inline_if(ir::Graph&, const PassContext&);
Result<bool> widen_float16(ir::Graph&, const PassContext&);
Result<bool> quantize_operators(ir::Graph&, const PassContext&);
Result<bool> keep_float16(ir::Graph&, const PassContext&);
Result<bool> fold_constants(ir::Graph&, const PassContext&);
Result<bool> remove_identities(ir::Graph&, const PassContext&);
Result<bool> matmul_to_fully_connected(ir::Graph&, const PassContext&);
Result<bool> conv_transpose_to_conv2d(ir::Graph&, const PassContext&);
Result<bool> depthwise_to_conv2d(ir::Graph&, const PassContext&);
Result<bool> sink_transposes(ir::Graph&, const PassContext&);
Result<bool> fuse_pad(ir::Graph&, const PassContext&);
Result<bool> binary_to_batch_norm(ir::Graph&, const PassContext&);
Result<bool> fold_batch_norm(ir::Graph&, const PassContext&);
Result<bool> binary_to_clamp(ir::Graph&, const PassContext&);
Result<bool> fuse_activation(ir::Graph&, const PassContext&);
Result<bool> fuse_normalize(ir::Graph&, const PassContext&);
Result<bool> fuse_silu(ir::Graph&, const PassContext&);
Result<bool> fuse_lookup(ir::Graph&, const PassContext&);
Result<bool> merge_common(ir::Graph&, const PassContext&);
Result<bool> merge_views(ir::Graph&, const PassContext&);

}  // namespace inferd::opt
