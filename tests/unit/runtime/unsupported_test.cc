// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/unsupported.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/ir/builder.h"
#include "engine/ir/late.h"

namespace inferd::runtime {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Lacks something that it sees once the first dimension is known, as a lowering would.
class SizedOp final : public ir::LateOp {
 public:
  std::string_view op() const override { return "Sized"; }
  Result<std::vector<ir::ValueId>> lower(ir::Builder& builder,
                                         std::span<const ir::ValueId> inputs) const override {
    const ir::Value& x = builder.graph().value(inputs[0]);
    if (!x.shape_known || x.shape[0] == kDynamicDim) return failed_precondition("size not known");
    return unimplemented("size " + std::to_string(x.shape[0]));
  }
};

void add_late(ir::Graph& graph, ir::ValueId x, const char* name) {
  ir::Value y;
  y.name = name;
  ir::Node node{.kind = OpKind::kLate,
                .name = name,
                .attrs = {},
                .inputs = {x},
                .outputs = {graph.add_value(y)}};
  node.late = std::make_shared<SizedOp>();
  graph.outputs().push_back(node.outputs[0]);
  graph.add_node(std::move(node));
}

TEST(Unsupported, ListsAllThatIsLackingOnceSizesAreKnown) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {kDynamicDim, 4});
  add_late(graph, x, "first");
  add_late(graph, x, "second");
  const auto flags = b.input("flags", DType::kBool, {2, 3});
  const auto softmax = b.op(OpKind::kSoftmax, {flags}, SoftmaxAttrs{}, "of flags");
  ASSERT_TRUE(softmax.ok()) << softmax.status().to_string();
  b.output(*softmax);
  EXPECT_THAT(
      find_unsupported(graph),
      ElementsAre(AllOf(Field(&UnsupportedOp::op, "Sized"), Field(&UnsupportedOp::node, "first"),
                        Field(&UnsupportedOp::reason, "size 1")),
                  Field(&UnsupportedOp::node, "second"),
                  AllOf(Field(&UnsupportedOp::node, "of flags"),
                        Field(&UnsupportedOp::reason, HasSubstr("BOOL[2,3]")))));
}

TEST(Unsupported, IsEmptyForWhatRuns) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {kDynamicDim, 4});
  const auto softmax = b.op(OpKind::kSoftmax, {x}, SoftmaxAttrs{}, "softmax");
  ASSERT_TRUE(softmax.ok()) << softmax.status().to_string();
  b.output(*softmax);
  EXPECT_THAT(find_unsupported(graph), IsEmpty());
}

}  // namespace
}  // namespace inferd::runtime
