// SPDX-License-Identifier: Apache-2.0
//
// Runs a graph over samples and shows what passes through it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/ir/graph.h"
#include "inferd/engine/quantize.h"

namespace inferd::quantize {

struct Work {
  const CalibrationData& data;
  const QuantizeOptions& options;
  std::shared_ptr<ThreadPool> pool;
};

// Two values of one meaning in two graphs.
struct Pair {
  ir::ValueId in_first, in_second;
};

// Called for each value and sample; the tensor's bytes are valid during the call.
using See = std::function<void(size_t index, const TensorView& tensor)>;
using SeeBoth =
    std::function<void(size_t index, const TensorView& first, const TensorView& second)>;

// Runs `graph`, optimised and by the fastest kernels, over all samples and shows values[index] to
// `see`. Graph and shapes are static. So that memory stays bounded, values are looked at in groups
// of at most some hundred megabytes, with a walk over the samples for each group. `what` is for the
// progress.
Status observe(const ir::Graph& graph, std::span<const ir::ValueId> values, const Work& work,
               std::string_view what, const See& see);

// The same for two graphs with the same inputs side by side.
Status observe_both(const ir::Graph& first, const ir::Graph& second, std::span<const Pair> values,
                    const Work& work, std::string_view what, const SeeBoth& see);

}  // namespace inferd::quantize
