// SPDX-License-Identifier: Apache-2.0
//
// What the operators of ai.onnx.ml become, and what is refused and why. Their values are compared
// with ONNX Runtime in tests/models.
#include <gmock/gmock.h>

#include <cmath>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/onnx_builder.h"

namespace inferd::import {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string file(const char* op, const OnnxAttrs& attrs, int type = kOnnxFloat) {
  OnnxBuilder b;
  b.input("x", {2, 2}, type);
  b.node(op, {"x"}, {"y", "z"}, attrs, "ai.onnx.ml");
  const bool regressor = std::string(op).find("Class") == std::string::npos;
  b.output_without_shape("y", regressor ? kOnnxFloat : kOnnxInt64);
  return b.bytes();
}
std::string lowered(const char* op, const OnnxAttrs& attrs, int type = kOnnxFloat) {
  return outcome(file(op, attrs, type));
}

// One tree: x[1] <= 0.5 ? 1 : 10, with one attribute replaced.
OnnxAttrs tree(const onnx::AttributeProto& other = attr("unused", 0)) {
  OnnxAttrs attrs = {attr("nodes_treeids", {0, 0, 0}),
                     attr("nodes_nodeids", {0, 1, 2}),
                     attr("nodes_featureids", {1, 0, 0}),
                     texts_attr("nodes_modes", {"BRANCH_LEQ", "LEAF", "LEAF"}),
                     floats_attr("nodes_values", {0.5F, 0.F, 0.F}),
                     attr("nodes_truenodeids", {1, 0, 0}),
                     attr("nodes_falsenodeids", {2, 0, 0}),
                     attr("target_treeids", {0, 0}),
                     attr("target_nodeids", {1, 2}),
                     attr("target_ids", {0, 0}),
                     floats_attr("target_weights", {1.F, 10.F})};
  for (onnx::AttributeProto& a : attrs) {
    if (a.name() == other.name()) {
      a = other;
      return attrs;
    }
  }
  attrs.push_back(other);
  return attrs;
}
constexpr const char* kTrees = "TreeEnsembleRegressor";

TEST(OnnxClassic, TreesAreLaidOutFromTheirRoots) {
  EXPECT_THAT(run_floats(file(kTrees, tree()), {{0, 0.5F, 0, 0.75F}}), ElementsAre(1, 10));
  EXPECT_THAT(run_floats(file(kTrees, tree(floats_attr("base_values", {0.5F}))), {{0, 0, 0, 1}}),
              ElementsAre(1.5F, 10.5F));
  EXPECT_THAT(lowered(kTrees, tree(attr("aggregate_function", "AVERAGE"))),
              HasSubstr("tree_ensemble mean"));
  EXPECT_THAT(lowered(kTrees, tree(), kOnnxInt64), HasSubstr("= cast (%0)"));
}

TEST(OnnxClassic, HostileTrees) {
  EXPECT_THAT(lowered(kTrees, tree(attr("nodes_treeids", {0, 0}))), HasSubstr("differ in length"));
  EXPECT_THAT(lowered(kTrees, tree(attr("target_ids", {0}))), HasSubstr("differ in length"));
  EXPECT_THAT(lowered(kTrees, tree(attr("nodes_nodeids", {0, 1, 1}))),
              HasSubstr("tree 0 has node 1 twice"));
  EXPECT_THAT(lowered(kTrees, tree(attr("nodes_truenodeids", {7, 0, 0}))),
              HasSubstr("tree 0 has no node 7"));
  EXPECT_THAT(lowered(kTrees, tree(attr("nodes_truenodeids", {2, 0, 0}))),
              HasSubstr("a tree's node has two parents"));
  EXPECT_THAT(lowered(kTrees, tree(attr("nodes_featureids", {-1, 0, 0}))),
              HasSubstr("tests feature -1"));
  EXPECT_THAT(lowered(kTrees, tree(attr("target_nodeids", {1, 9}))), HasSubstr("has no node 9"));
  EXPECT_THAT(lowered(kTrees, tree(attr("target_ids", {0, 1}))),
              HasSubstr("a leaf adds to target 1 of 1"));
  EXPECT_THAT(lowered(kTrees, tree(attr("n_targets", 0))), HasSubstr("target 0 of 0"));
  EXPECT_THAT(lowered(kTrees, tree(texts_attr("nodes_modes", {"BRANCH", "LEAF", "LEAF"}))),
              HasSubstr("unsupported ai.onnx.ml.TreeEnsembleRegressor 'y': tree nodes of mode"));
  EXPECT_THAT(lowered(kTrees, tree(attr("aggregate_function", "MEDIAN"))),
              HasSubstr("aggregate function 'MEDIAN'"));
  EXPECT_THAT(lowered(kTrees, tree(attr("post_transform", "PROBIT"))),
              HasSubstr("post transform 'PROBIT'"));
  EXPECT_THAT(lowered(kTrees, tree(floats_attr("base_values", {1.F, 2.F}))),
              HasSubstr("2 base values for 1 scores"));
}

TEST(OnnxClassic, LinearModels) {
  const OnnxAttrs regressor = {floats_attr("coefficients", {1.F, 2.F}),
                               floats_attr("intercepts", {0.5F})};
  EXPECT_THAT(run_floats(file("LinearRegressor", regressor), {{1, 2, 3, 4}}),
              ElementsAre(5.5F, 11.5F));
  EXPECT_THAT(lowered("LinearRegressor", {floats_attr("coefficients", {1.F, 2.F, 3.F})}),
              HasSubstr("do not fit the input"));
  EXPECT_THAT(lowered("LinearRegressor", {attr("targets", -1)}), HasSubstr("has -1 targets"));
  EXPECT_THAT(lowered("LinearClassifier", regressor), HasSubstr("has no labels"));
  EXPECT_THAT(lowered("LinearClassifier", {floats_attr("coefficients", {1.F, 2.F, 3.F, 4.F}),
                                           attr("classlabels_ints", {7, 9})}),
              AllOf(HasSubstr("fully_connected"), HasSubstr("arg_max"), HasSubstr("gather")));
  EXPECT_THAT(lowered("LinearClassifier", {floats_attr("coefficients", {1.F, 2.F, 3.F, 4.F}),
                                           attr("classlabels_ints", {7, 9, 11})}),
              HasSubstr("has 3 labels for 2 scores"));
}

TEST(OnnxClassic, Features) {
  EXPECT_THAT(
      run_floats(file("Scaler", {floats_attr("offset", {1.F}), floats_attr("scale", {2.F, 3.F})}),
                 {{1, 2, 3, 4}}),
      ElementsAre(0, 3, 4, 9));
  EXPECT_THAT(lowered("Scaler", {floats_attr("scale", {2.F})}), HasSubstr("offset is missing"));
  EXPECT_THAT(run_floats(file("Normalizer", {attr("norm", "L1")}), {{1, -3, 0, 0}}),
              ElementsAre(0.25F, -0.75F, 0, 0));
  EXPECT_THAT(run_floats(file("Normalizer", {attr("norm", "L2")}), {{3, -4, 0, 0}}),
              ElementsAre(0.6F, -0.8F, 0, 0));
  EXPECT_THAT(lowered("Normalizer", {attr("norm", "L3")}), HasSubstr("norm 'L3'"));
}

TEST(OnnxClassic, ListsOfValues) {
  EXPECT_THAT(run_floats(file("Normalizer", {attr("norm", "MAX")}), {{1, -4, -1, 0}}),
              ElementsAre(1, -4, -1, 0));
  EXPECT_THAT(run_floats(file("Binarizer", {attr("threshold", 0.5F)}), {{0.5F, 0.75F, -1, 2}}),
              ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(run_floats(file("Imputer", {floats_attr("imputed_value_floats", {7.F, 8.F}),
                                          attr("replaced_value_float", NAN)}),
                         {{NAN, 1, 2, NAN}}),
              ElementsAre(7, 1, 2, 8));
  EXPECT_THAT(run_floats(file("Imputer", {floats_attr("imputed_value_floats", {7.F}),
                                          attr("replaced_value_float", 1.F)}),
                         {{0, 1, 2, 3}}),
              ElementsAre(0, 7, 2, 3));
  EXPECT_THAT(lowered("Imputer", {texts_attr("imputed_value_strings", {"a"})}),
              HasSubstr("unsupported ai.onnx.ml.Imputer"));
  EXPECT_THAT(run_floats(file("LabelEncoder", {floats_attr("keys_floats", {1.F, 2.F, 1.F}),
                                               floats_attr("values_floats", {10.F, 20.F, 30.F}),
                                               attr("default_float", -5.F)}),
                         {{1, 2, 3, 1}}),
              ElementsAre(10, 20, -5, 10));
  EXPECT_THAT(
      lowered("LabelEncoder", {floats_attr("keys_floats", {1.F, 2.F}), attr("values_int64s", {1})}),
      HasSubstr("keys and values differ in number"));
  EXPECT_THAT(run_floats(file("OneHotEncoder", {attr("cats_int64s", {2, 5})}), {{2, 5, 7, -2}}),
              ElementsAre(1, 0, 0, 1, 0, 0, 0, 0));
}

// Where there are names of classes, their positions are put out, and a ZipMap hands on the scores.
TEST(OnnxClassic, NamesOfClasses) {
  OnnxBuilder b;
  b.input("x", {2, 2});
  b.node("LinearClassifier", {"x"}, {"y", "z"},
         {floats_attr("coefficients", {1.F, 0.F, 0.F, 1.F}), floats_attr("intercepts", {0.F, 0.F}),
          texts_attr("classlabels_strings", {"cat", "dog"})},
         "ai.onnx.ml");
  b.node("ZipMap", {"z"}, {"m"}, {texts_attr("classlabels_strings", {"cat", "dog"})}, "ai.onnx.ml");
  b.output_without_shape("y", kOnnxString);
  b.graph().add_output()->set_name("m");
  EXPECT_THAT(outcome(b.bytes()),
              AllOf(HasSubstr("INT64[2] = arg_max"), HasSubstr("FP32[2,2] = fully_connected"),
                    Not(HasSubstr("unsupported"))));
}

TEST(OnnxClassic, SupportVectors) {
  const OnnxAttrs regressor = {attr("kernel_type", "LINEAR"),
                               floats_attr("coefficients", {1.F, -2.F}),
                               floats_attr("support_vectors", {1.F, 0.F, 0.F, 1.F}),
                               attr("n_supports", 2), floats_attr("rho", {0.5F})};
  EXPECT_THAT(run_floats(file("SVMRegressor", regressor), {{1, 2, 3, 4}}),
              ElementsAre(-2.5F, -4.5F));
  EXPECT_THAT(lowered("SVMRegressor", {floats_attr("rho", {})}), HasSubstr("has 0 rho"));
  EXPECT_THAT(lowered("SVMRegressor",
                      {floats_attr("coefficients", {1.F}), floats_attr("support_vectors", {1.F}),
                       attr("n_supports", 1), floats_attr("rho", {0.5F})}),
              HasSubstr("has 1 numbers for 1 support vectors of 2 features"));
  EXPECT_THAT(lowered("SVMClassifier", {floats_attr("support_vectors", {1.F, 2.F}),
                                        attr("vectors_per_class", {-1})}),
              HasSubstr("a class has -1 support vectors"));
  EXPECT_THAT(lowered("SVMClassifier", {floats_attr("prob_a", {1.F})}),
              HasSubstr("probabilities of pairs of classes"));
}

}  // namespace
}  // namespace inferd::import
