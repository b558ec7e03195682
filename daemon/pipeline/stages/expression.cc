// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/stages/expression.h"

#include <muParser.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

namespace inferd::pipeline {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMaxText = 4096, kMaxVariables = 64;

// The text's functions: of what is in the frame that `data` points to.
double count(void* data, const char* label) {
  const Work& work = **static_cast<const Work**>(data);
  return static_cast<double>(std::count_if(work.detections.begin(), work.detections.end(),
                                           [&](const Detection& d) { return d.label == label; }));
}

double score(void* data, const char* label) {
  const Work& work = **static_cast<const Work**>(data);
  float best = 0;
  for (const Detection& d : work.detections) {
    if (d.label == label) best = std::max(best, d.score);
  }
  for (const ClassScore& c : work.classes) {
    if (c.label == label) best = std::max(best, c.score);
  }
  return static_cast<double>(best);
}

double area(void* data, const char* label) {
  const Work& work = **static_cast<const Work**>(data);
  for (const ClassArea& a : work.areas) {
    if (a.label == label) return static_cast<double>(a.fraction);
  }
  return 0;
}

template <auto Member>
double counted(void* data, const char* name) {
  const Work& work = **static_cast<const Work**>(data);
  double sum = 0;
  for (const Count& c : work.counts) {
    if (c.name == name) sum += static_cast<double>(c.*Member);
  }
  return sum;
}

double opposite(double value) { return value == 0 ? 1 : 0; }

class Parsed final : public Expression {
 public:
  // Throws mu::ParserError.
  explicit Parsed(const std::string& text) {
    parser_.DefineNameChars("0123456789_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    // May change from frame to frame, so that nothing of it is computed beforehand.
    parser_.DefineFunUserData("count", count, &work_, false);
    parser_.DefineFunUserData("score", score, &work_, false);
    parser_.DefineFunUserData("area", area, &work_, false);
    parser_.DefineFunUserData("in", counted<&Count::in>, &work_, false);
    parser_.DefineFunUserData("out", counted<&Count::out>, &work_, false);
    parser_.DefineFunUserData("inside", counted<&Count::inside>, &work_, false);
    parser_.DefineInfixOprt("!", opposite);
    parser_.SetVarFactory(
        [](const char* name, void* self) { return static_cast<Parsed*>(self)->add(name); }, this);
    parser_.SetExpr(text);
    const Work nothing;
    work_ = &nothing;
    parser_.Eval();
    int results = 0;
    parser_.Eval(results);
    if (results != 1) throw mu::ParserError("it gives several numbers");
  }

  double of(const Work& work) override {
    work_ = &work;
    for (Variable& variable : variables_) variable.value = value_of(variable.name, work);
    try {
      return parser_.Eval();
    } catch (const mu::ParserError&) {
      return kNothing;  // of its functions, which would have failed before
    }
  }

 private:
  struct Variable {
    std::string name;
    double value = 0;
  };

  double* add(const char* name) {
    if (variables_.size() == kMaxVariables) throw mu::ParserError("it has too many names");
    variables_.push_back({name});
    return &variables_.back().value;
  }

  static double value_of(const std::string& name, const Work& work) {
    for (const Value& value : work.values) {
      if (value.name == name) return value.value;
    }
    if (name == "detections") return static_cast<double>(work.detections.size());
    const Samples& samples = work.frame->samples;
    if (samples.rows == 0 || samples.names == nullptr) return kNothing;
    const auto column = std::find(samples.names->begin(), samples.names->end(), name);
    if (column == samples.names->end()) return kNothing;
    const auto last = static_cast<std::ptrdiff_t>(samples.rows - 1) * samples.columns;
    return static_cast<double>(
        samples.values[static_cast<size_t>(last + (column - samples.names->begin()))]);
  }

  mu::Parser parser_;
  const Work* work_ = nullptr;
  std::deque<Variable> variables_;  // whose places the parser knows
};

}  // namespace

Result<std::unique_ptr<Expression>> Expression::create(const std::string& text) {
  if (text.size() > kMaxText) return invalid_argument("is longer than 4096 characters");
  try {
    return std::unique_ptr<Expression>(std::make_unique<Parsed>(text));
  } catch (const mu::ParserError& error) {
    return invalid_argument("'" + text + "' is no expression: " + error.GetMsg());
  }
}

Result<std::unique_ptr<Expression>> read_expression(config::NodeReader& r,
                                                    const config::NodeConfig& node,
                                                    const std::string& key) {
  const std::string text = r.required_text(key);
  INFERD_RETURN_IF_ERROR(r.finish());
  auto made = Expression::create(text);
  if (!made.ok())
    return made.status().with_context(node.entries.at(key).mark.to_string() + ": '" + key + "'");
  return made;
}

}  // namespace inferd::pipeline
