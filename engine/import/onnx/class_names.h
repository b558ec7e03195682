// SPDX-License-Identifier: Apache-2.0
//
// Names of classes, which the engine has no type for. Private to import/onnx.
#pragma once

#include "engine/import/foreign_graph.h"

namespace inferd::import {

// Whether classifiers of `graph` put out names, or a ZipMap makes maps with them.
bool names_classes(const ForeignGraph& graph);

// A copy (weights are shared) in which such a classifier puts out int64 positions in its list
// `classlabels_strings`, and a ZipMap the scores that it would have named, in the order of the
// list.
ForeignGraph number_classes(const ForeignGraph& graph);

}  // namespace inferd::import
