// SPDX-License-Identifier: Apache-2.0
//
// Runs the cases of NAME.test for every operator: the shape rule must give the expected types and
// shapes, and every row of the table of kernels that accepts a case must give the expected values.
#include "engine/ir/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/ir/builder.h"
#include "engine/kernels/candidates.h"
#include "tests/ops/case_file.h"
#include "tests/ops/harness.h"

namespace inferd {

// How GoogleTest prints a parameter.
void PrintTo(OpKind kind, std::ostream* out) { *out << op_name(kind); }
void PrintTo(Isa isa, std::ostream* out) { *out << isa_name(isa); }

namespace ops {
namespace {

using kernels::Kernel;
using kernels::OpDesc;
using kernels::Operand;

constexpr const char* kFolder = INFERD_SOURCE_DIR "/tests/ops";

std::string file_of(OpKind kind) { return std::string(op_name(kind)) + ".test"; }

// Every file is read once; a missing one has no cases.
const Result<std::vector<OpCase>>& cases_of(OpKind kind) {
  static std::map<OpKind, Result<std::vector<OpCase>>> files;
  if (const auto found = files.find(kind); found != files.end()) return found->second;
  const std::string name = file_of(kind);
  std::ifstream file(std::filesystem::path(kFolder) / name);
  std::ostringstream text;
  text << file.rdbuf();
  return files.emplace(kind, parse_cases(kind, name, text.str())).first->second;
}

std::string place(OpKind kind, const OpCase& c) {
  return file_of(kind) + ":" + std::to_string(c.line) + ": " + c.title;
}

// What a kernel sees of a case, with every input in guarded memory.
class Operation {
 public:
  Operation(OpKind kind, const OpCase& c) {
    op_.kind = kind;
    op_.attrs = c.attrs;
    for (const CaseTensor& x : c.inputs) {
      memory_.push_back(std::make_unique<GuardedBytes>(x.data));
      inputs_.push_back(memory_.back()->data());
      op_.inputs.push_back(operand(x));
      if (x.constant) op_.inputs.back().data = inputs_.back();
    }
    for (const CaseTensor& y : c.outputs) op_.outputs.push_back(operand(y));
  }

  const OpDesc& op() const { return op_; }
  std::span<const std::byte* const> inputs() const { return inputs_; }
  bool can_be_in_place() const {
    return !op_.inputs.empty() && !op_.inputs[0].is_constant() &&
           op_.inputs[0].bytes() == op_.outputs[0].bytes();
  }

 private:
  static Operand operand(const CaseTensor& t) {
    Operand o;
    o.dtype = t.dtype;
    o.shape = t.shape;
    o.quantization = t.quantization;
    return o;
  }

  OpDesc op_;
  std::vector<std::unique_ptr<GuardedBytes>> memory_;
  std::vector<const std::byte*> inputs_;
};

template <typename T>
void compare_numbers(const CaseTensor& expected, const std::vector<std::byte>& actual,
                     const std::string& what) {
  for (size_t i = 0; i * sizeof(T) < actual.size(); ++i) {
    T e{};
    T a{};
    std::memcpy(&e, expected.data.data() + i * sizeof(T), sizeof(T));
    std::memcpy(&a, actual.data() + i * sizeof(T), sizeof(T));
    if (e == a) continue;
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(e) && std::isnan(a)) continue;
      const double room = expected.tolerance * std::max(1.0, std::abs(static_cast<double>(e)));
      if (std::abs(static_cast<double>(a) - static_cast<double>(e)) <= room) continue;
    }
    ADD_FAILURE() << what << ", element " << i << ": expected " << +e << ", got " << +a;
    return;
  }
}

void compare(CaseTensor expected, const Kernel& kernel, const std::vector<std::byte>& actual,
             const std::string& what) {
  if (kernel.has(kernels::kHalfPrecision))
    expected.tolerance = std::max(expected.tolerance, kHalfTolerance);
  ASSERT_EQ(expected.data.size(), actual.size()) << what;
  switch (expected.dtype) {
    case DType::kFloat32:
      return compare_numbers<float>(expected, actual, what);
    case DType::kFloat64:
      return compare_numbers<double>(expected, actual, what);
    case DType::kInt8:
      return compare_numbers<int8_t>(expected, actual, what);
    case DType::kUInt8:
    case DType::kBool:
      return compare_numbers<uint8_t>(expected, actual, what);
    case DType::kInt16:
      return compare_numbers<int16_t>(expected, actual, what);
    case DType::kUInt16:
    case DType::kFloat16:
      return compare_numbers<uint16_t>(expected, actual, what);
    case DType::kInt32:
      return compare_numbers<int32_t>(expected, actual, what);
    case DType::kUInt32:
      return compare_numbers<uint32_t>(expected, actual, what);
    case DType::kInt64:
      return compare_numbers<int64_t>(expected, actual, what);
    case DType::kUInt64:
      return compare_numbers<uint64_t>(expected, actual, what);
  }
}

void check_kernel(const Kernel& kernel, const OpCase& c, const Operation& operation) {
  static ThreadPool single(1);
  static ThreadPool two(2);
  const auto run = [&](ThreadPool& pool, Placement placement, const char* how) {
    const std::vector<std::vector<std::byte>> outputs =
        run_kernel(kernel, operation.op(), operation.inputs(), pool, placement);
    for (size_t i = 0; i < outputs.size(); ++i) {
      compare(c.outputs[i], kernel, outputs[i],
              std::string(kernel.name) + how + ", output " + std::to_string(i));
    }
  };
  run(single, Placement::kSeparate, " with one thread");
  run(two, Placement::kSeparate, " with two threads");
  if (kernel.has(kernels::kInPlace) && operation.can_be_in_place())
    run(single, Placement::kInPlace, " in place");
  if (kernel.has(kernels::kSpreadsPixels) && c.outputs[0].shape.rank() > 0) {
    compare(c.outputs[0], kernel, run_spread(kernel, operation.op(), operation.inputs(), two),
            std::string(kernel.name) + " with room between pixels");
  }
  if (runs_by_lines(kernel, operation.op())) {
    for (const int64_t lines : {1, 2}) {
      compare(c.outputs[0], kernel, run_by_lines(kernel, operation.op(), operation.inputs(), lines),
              std::string(kernel.name) + " by lines");
    }
  }
}

// What a graph says of an output before its shape rule runs: nothing, where the rule and the
// Builder know type and quantization by themselves.
ir::OutputSpec output_spec(OpKind kind, const CaseTensor& y) {
  const bool open = kind == OpKind::kCast || kind == OpKind::kArgMax || kind == OpKind::kRandom ||
                    (!y.quantization.empty() && !ir::op_info(kind).moves_data);
  return open ? ir::OutputSpec::typed("", y.dtype, y.quantization) : ir::OutputSpec{};
}

void check_shape_rule(OpKind kind, const OpCase& c) {
  ir::Graph graph;
  ir::Builder builder(graph);
  std::vector<ir::ValueId> inputs;
  for (const CaseTensor& x : c.inputs) {
    inputs.push_back(x.constant
                         ? builder.constant_bytes("", x.dtype, x.shape, x.data, x.quantization)
                         : builder.input("", x.dtype, x.shape, x.quantization));
  }
  std::vector<ir::OutputSpec> specs;
  for (const CaseTensor& y : c.outputs) specs.push_back(output_spec(kind, y));
  const Result<std::vector<ir::ValueId>> outputs =
      builder.ops(kind, inputs, c.attrs, "case", specs);
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    const ir::Value& y = graph.value((*outputs)[i]);
    EXPECT_EQ(dtype_name(y.dtype), dtype_name(c.outputs[i].dtype)) << "of output " << i;
    EXPECT_TRUE(y.quantization == c.outputs[i].quantization) << "quantization of output " << i;
    // Where the shape comes out of a computed value the rule cannot know it.
    if (y.shape_known && y.shape.is_static()) {
      EXPECT_EQ(y.shape.to_string(), c.outputs[i].shape.to_string()) << "of output " << i;
    } else {
      EXPECT_GT(inputs.size(), 1U) << "the shape of output " << i << " is unknown";
    }
    builder.output((*outputs)[i]);
  }
  const Status verified = ir::verify(graph);
  EXPECT_TRUE(verified.ok()) << verified.to_string();
}

class Operators : public testing::TestWithParam<OpKind> {};

std::vector<OpKind> all_operators() {
  std::vector<OpKind> kinds;
  for (int i = 0; i < kOpKindCount; ++i) {
    if (!ir::runs_in_stages(static_cast<OpKind>(i))) kinds.push_back(static_cast<OpKind>(i));
  }
  return kinds;
}
INSTANTIATE_TEST_SUITE_P(ShapeRule, Operators, testing::ValuesIn(all_operators()),
                         [](const auto& test) { return std::string(op_name(test.param)); });

TEST_P(Operators, GivesExpectedShapes) {
  const Result<std::vector<OpCase>>& cases = cases_of(GetParam());
  ASSERT_TRUE(cases.ok()) << cases.status().message();
  for (const OpCase& c : *cases) {
    SCOPED_TRACE(place(GetParam(), c));
    check_shape_rule(GetParam(), c);
  }
}

TEST(CaseFiles, BelongToOperators) {
  std::set<std::string> names;
  for (OpKind kind : all_operators()) names.insert(file_of(kind));
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".test") continue;
    EXPECT_TRUE(names.contains(entry.path().filename())) << entry.path() << " has no operator";
  }
}

// The rows of one operator for one instruction set.
using Rows = std::pair<OpKind, Isa>;
class KernelRows : public testing::TestWithParam<Rows> {};

std::set<Rows> all_rows() {
  std::set<Rows> rows;
  for (const Kernel& kernel : kernels::all()) rows.emplace(kernel.op, kernel.isa);
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Kernels, KernelRows, testing::ValuesIn(all_rows()), [](const auto& test) {
  return std::string(op_name(test.param.first)) + "_" + std::string(isa_name(test.param.second));
});

// Also fails for a row that no case reaches.
TEST_P(KernelRows, GiveExpectedValues) {
  const auto [kind, isa] = GetParam();
  if (!cpu_has(isa)) GTEST_SKIP() << "this CPU has no " << isa_name(isa);
  const Result<std::vector<OpCase>>& cases = cases_of(kind);
  ASSERT_TRUE(cases.ok()) << cases.status().message();
  std::set<std::string> idle;
  for (const Kernel& kernel : kernels::all()) {
    if (kernel.op == kind && kernel.isa == isa) idle.insert(kernel.name);
  }
  for (const OpCase& c : *cases) {
    SCOPED_TRACE(place(kind, c));
    const Operation operation(kind, c);
    EXPECT_NE(kernels::reference(operation.op()), nullptr) << "no reference kernel accepts this";
    for (const Kernel& kernel : kernels::all()) {
      if (kernel.op != kind || kernel.isa != isa || !kernel.accepts(operation.op())) continue;
      idle.erase(kernel.name);
      check_kernel(kernel, c, operation);
    }
  }
  for (const std::string& name : idle) ADD_FAILURE() << "no case reaches " << name;
}

}  // namespace
}  // namespace ops
}  // namespace inferd
