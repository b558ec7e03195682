// SPDX-License-Identifier: Apache-2.0
//
// What the tests of passes share: graphs are run node by node with the reference kernels before and
// after a pass, and must give the same numbers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/ir/builder.h"
#include "engine/ir/shape_inference.h"
#include "engine/opt/pass_list.h"
#include "engine/runtime/evaluate.h"

namespace inferd::opt {

template <typename T>
T ok(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status().to_string();
    std::abort();
  }
  return std::move(result).value();
}

inline PassContext context() { return {runtime::evaluate_node}; }

inline int count(const ir::Graph& graph, OpKind kind) {
  return static_cast<int>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                        [&](const ir::Node& node) { return node.kind == kind; }));
}

// Small float constant with repeatable contents in [-1, 1].
inline ir::ValueId random_floats(ir::Builder& b, const Shape& shape, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (float& v : values) v = static_cast<float>(random() % 2001) / 1000.F - 1.F;
  return b.constant_floats("c", shape, values);
}

inline ir::ValueId random_int8s(ir::Builder& b, const Shape& shape, Quantization q,
                                unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(static_cast<size_t>(shape.elements()));
  for (std::byte& v : bytes) v = static_cast<std::byte>(random());
  return b.constant_bytes("q", DType::kInt8, shape, std::move(bytes), std::move(q));
}

// Outputs for repeatable inputs; one vector of bytes for each.
inline std::vector<std::vector<std::byte>> evaluate(ir::Graph graph) {
  unsigned seed = 7;
  for (ir::ValueId id : graph.inputs()) {
    ir::Builder b(graph);
    const Shape shape = graph.value(id).shape;
    const ir::ValueId data = graph.value(id).dtype == DType::kFloat32
                                 ? random_floats(b, shape, ++seed)
                                 : random_int8s(b, shape, {}, ++seed);
    graph.value(id).constant = graph.value(data).constant;
  }
  for (const ir::Node& node : graph.nodes()) {
    const auto made = ok(runtime::evaluate_node(graph, node));
    for (size_t i = 0; i < made.size(); ++i) {
      graph.value(node.outputs[i]).constant = made[i];
    }
  }
  std::vector<std::vector<std::byte>> outputs;
  for (ir::ValueId id : graph.outputs()) {
    const auto data = graph.value(id).constant->bytes();
    outputs.emplace_back(data.begin(), data.end());
  }
  return outputs;
}

// float32 outputs within 1e-5, 8-bit ones within one step.
inline void expect_same_results(const ir::Graph& before, const ir::Graph& after) {
  ASSERT_EQ(before.outputs().size(), after.outputs().size());
  const auto a = evaluate(before);
  const auto b = evaluate(after);
  for (size_t o = 0; o < a.size(); ++o) {
    const ir::Value& va = before.value(before.outputs()[o]);
    const ir::Value& vb = after.value(after.outputs()[o]);
    EXPECT_EQ(va.name, vb.name);
    EXPECT_EQ(va.dtype, vb.dtype);
    EXPECT_EQ(va.shape, vb.shape);
    EXPECT_EQ(va.quantization, vb.quantization);
    ASSERT_EQ(a[o].size(), b[o].size());
    if (va.dtype == DType::kFloat32) {
      const auto* fa = reinterpret_cast<const float*>(a[o].data());
      const auto* fb = reinterpret_cast<const float*>(b[o].data());
      for (size_t i = 0; i < a[o].size() / sizeof(float); ++i) {
        ASSERT_NEAR(fa[i], fb[i], 1e-5F) << "output " << o << " element " << i;
      }
    } else {
      for (size_t i = 0; i < a[o].size(); ++i) {
        const int sa = static_cast<int8_t>(a[o][i]);
        const int sb = static_cast<int8_t>(b[o][i]);
        ASSERT_NEAR(sa, sb, 1) << "output " << o << " element " << i;
      }
    }
  }
}

// Runs one pass once and checks that what came out is valid and computes the same.
template <typename PassFunction>
bool run_checked(ir::Graph& graph, PassFunction pass) {
  const ir::Graph before = graph;
  const bool changed = ok(pass(graph, context()));
  if (changed) graph.remove_dead();
  EXPECT_TRUE(ir::infer_shapes(graph).ok());
  EXPECT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
  expect_same_results(before, graph);
  return changed;
}

inline void optimize_checked(ir::Graph& graph) {
  const ir::Graph before = graph;
  const Status status = optimize(graph, context());
  ASSERT_TRUE(status.ok()) << status.to_string();
  ASSERT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
  expect_same_results(before, graph);
}

}  // namespace inferd::opt
