// SPDX-License-Identifier: Apache-2.0
//
// Sparse constants, made dense. Private to import/tflite.
#pragma once

#include "engine/import/tflite/options.h"

namespace inferd::import {

// A sparse tensor is a tree: each level goes through one dimension, the first levels through those
// of the tensor, the others through those of blocks that its dimensions are cut into, and each leaf
// is an element of the data. `traversal_order` says which dimension a level goes through, block b
// being dimension rank + b; `block_map` which of the tensor's dimensions block b is of. A dense
// level has a child for each index; a sparse one has, for its i-th parent, the children
// [segments[i], segments[i + 1]), whose indices are listed.
//
// Returns a constant of `shape` with elements of `element_bytes` bytes: zero but for `data`, which
// lies in `file`. Everything is checked now, the bytes are made when they are needed.
// INVALID_ARGUMENT where the description does not fit shape or data, DATA_LOSS where it is corrupt,
// UNIMPLEMENTED for arrays of unknown types.
Result<std::shared_ptr<const Constant>> densify(const tflite::SparsityParameters& sparsity,
                                                const OptionsReader& tables, const Shape& shape,
                                                size_t element_bytes,
                                                std::span<const std::byte> data,
                                                std::shared_ptr<const MappedFile> file);

}  // namespace inferd::import
