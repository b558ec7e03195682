// SPDX-License-Identifier: Apache-2.0
//
// Einsum: sums of products, said with a letter for each dimension ("bij,bjk->bik"). Operands are
// multiplied from left to right, each time as one product of matrices: letters of both operands
// that are needed later count matrices, those that are not are summed over, and what only one
// operand has makes rows or columns.
#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "engine/import/onnx/formula.h"

namespace inferd::import::onnx_lower {
namespace {

// A letter, or kEllipsis + n for the n-th dimension from the right that "..." stands for.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;

bool contains(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

Labels united(Labels a, const Labels& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Term {
  ValueId value;
  Labels labels;  // one for each dimension
};

// "ab...c" with `ellipsis` dimensions for the dots.
Result<Labels> parse_labels(std::string_view text, int ellipsis) {
  Labels labels;
  bool dots = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      labels.push_back(c);
    } else if (text.substr(i, 3) == "..." && !dots) {
      for (int n = ellipsis; n > 0; --n) labels.push_back(kEllipsis + n - 1);
      dots = true;
      i += 2;
    } else {
      return invalid_argument("the equation has '" + std::string(text) + "'");
    }
  }
  return labels;
}

struct Equation {
  std::vector<std::string> terms;
  std::optional<std::string> output;
};

Equation split_equation(std::string text) {
  std::erase(text, ' ');
  Equation equation;
  if (const size_t arrow = text.find("->"); arrow != std::string::npos) {
    equation.output = text.substr(arrow + 2);
    text.resize(arrow);
  }
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    equation.terms.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return equation;
}

int letters_in(const std::string& term) {
  return static_cast<int>(std::count_if(term.begin(), term.end(), [](char c) { return c != '.'; }));
}

class Einsum {
 public:
  Einsum(Lowering& l, const ForeignNode& node) : f_(l, node), node_(node) {}

  Status run() {
    INFERD_RETURN_IF_ERROR(read());
    for (Term& term : terms_) {
      take_diagonals(term);
      INFERD_RETURN_IF_ERROR(f_.status());
    }
    INFERD_RETURN_IF_ERROR(drop_broadcast_dimensions());
    Term product = std::move(terms_[0]);
    for (size_t i = 1; i < terms_.size(); ++i) {
      product = multiply(std::move(product), std::move(terms_[i]), needed_after(i));
      INFERD_RETURN_IF_ERROR(f_.status());
    }
    sum_unneeded(product, output_);
    return f_.finish(transposed(product, output_).value);
  }

 private:
  Shape shape(const Term& term) {
    return f_.static_shape(term.value, "an operand of sums of products");
  }

  Status read() {
    const Equation equation = split_equation(Lowering::text_attr(node_, "equation", ""));
    if (equation.terms.size() != node_.inputs.size()) {
      return invalid_argument("the equation has " + std::to_string(equation.terms.size()) +
                              " operands, the operator " + std::to_string(node_.inputs.size()));
    }
    int most = 0;
    for (size_t i = 0; i < equation.terms.size(); ++i) {
      const ValueId x = f_.input(i);
      INFERD_RETURN_IF_ERROR(f_.status());
      const int ellipsis = f_.rank(x) - letters_in(equation.terms[i]);
      INFERD_ASSIGN_OR_RETURN(Labels labels, parse_labels(equation.terms[i], ellipsis));
      if (static_cast<int>(labels.size()) != f_.rank(x)) {
        return invalid_argument("operand '" + equation.terms[i] +
                                "' of the equation does not fit " + f_.info(x).shape.to_string());
      }
      most = std::max(most, ellipsis);
      terms_.push_back({x, std::move(labels)});
    }
    return read_output(equation, most);
  }

  // Without an output in the equation: the dots, then the letters that occur once, in their order.
  Status read_output(const Equation& equation, int ellipsis) {
    std::map<Label, int> uses;
    for (const Term& term : terms_) {
      for (Label label : term.labels) ++uses[label];
    }
    if (equation.output) {
      INFERD_ASSIGN_OR_RETURN(output_, parse_labels(*equation.output, ellipsis));
      for (Label label : output_) {
        const bool once = std::count(output_.begin(), output_.end(), label) == 1;
        if (once && uses.contains(label)) continue;
        return invalid_argument("the equation's output '" + *equation.output +
                                "' repeats a letter, or has one that no input has");
      }
      return ok_status();
    }
    for (int n = ellipsis; n > 0; --n) output_.push_back(kEllipsis + n - 1);
    for (const auto& [label, count] : uses) {
      if (count == 1 && label < kEllipsis) output_.push_back(label);
    }
    return ok_status();
  }

  // A letter that an operand has twice walks along both dimensions at once.
  void take_diagonals(Term& term) {
    const Shape from = shape(term);
    if (!f_.ok()) return;
    StridedCopyAttrs attrs;
    Labels labels;
    int64_t stride = 1;
    for (int d = from.rank() - 1; d >= 0; --d) {
      const Label label = term.labels[static_cast<size_t>(d)];
      const auto seen = std::find(labels.begin(), labels.end(), label);
      const auto at = seen - labels.begin();
      if (seen == labels.end()) {
        labels.push_back(label);
        attrs.shape.push_back(from[d]);
        attrs.strides.push_back(stride);
      } else if (attrs.shape[static_cast<size_t>(at)] == from[d]) {
        attrs.strides[static_cast<size_t>(at)] += stride;
      } else {
        f_.fail(invalid_argument("a repeated letter stands for different sizes of " +
                                 from.to_string()));
        return;
      }
      stride *= from[d];
    }
    if (labels.size() == term.labels.size()) return;
    std::reverse(labels.begin(), labels.end());
    std::reverse(attrs.shape.begin(), attrs.shape.end());
    std::reverse(attrs.strides.begin(), attrs.strides.end());
    term = {f_.op(OpKind::kStridedCopy, {term.value}, attrs), std::move(labels)};
  }

  // A dimension of size 1 goes with any size that another operand has there.
  Status drop_broadcast_dimensions() {
    std::map<Label, int64_t> sizes;
    for (const Term& term : terms_) {
      const Shape s = shape(term);
      for (int d = 0; d < s.rank(); ++d) {
        int64_t& size = sizes.try_emplace(term.labels[static_cast<size_t>(d)], 1).first->second;
        if (size != 1 && s[d] != 1 && size != s[d]) {
          return invalid_argument("a letter of the equation stands for both " +
                                  std::to_string(size) + " and " + std::to_string(s[d]));
        }
        if (s[d] != 1) size = s[d];
      }
    }
    for (Term& term : terms_) {
      const Shape s = shape(term);
      Labels kept;
      std::vector<int64_t> dims;
      for (int d = 0; d < s.rank(); ++d) {
        const Label label = term.labels[static_cast<size_t>(d)];
        if (s[d] == 1 && sizes[label] != 1) continue;
        kept.push_back(label);
        dims.push_back(s[d]);
      }
      if (kept.size() != term.labels.size()) term = {f_.reshape(term.value, dims), kept};
    }
    return f_.status();
  }

  // What the output and operands after `i` have.
  Labels needed_after(size_t i) const {
    Labels needed = output_;
    for (size_t k = i + 1; k < terms_.size(); ++k) needed = united(needed, terms_[k].labels);
    return needed;
  }

  void sum_unneeded(Term& term, const Labels& needed) {
    ReduceAttrs attrs{ReduceKind::kSum, {}, false};
    Labels kept;
    for (size_t d = 0; d < term.labels.size(); ++d) {
      if (contains(needed, term.labels[d])) {
        kept.push_back(term.labels[d]);
      } else {
        attrs.axes.push_back(static_cast<int>(d));
      }
    }
    if (!attrs.axes.empty()) term = {f_.op(OpKind::kReduce, {term.value}, attrs), kept};
  }

  // Precondition: `order` are the labels of `term` in any order.
  Term transposed(const Term& term, const Labels& order) {
    std::vector<int> perm;
    for (Label label : order) {
      const auto at = std::find(term.labels.begin(), term.labels.end(), label);
      perm.push_back(static_cast<int>(at - term.labels.begin()));
    }
    return {f_.transpose(term.value, std::move(perm)), order};
  }

  // The dimensions of the three groups become one each; no dimension for no matrices.
  ValueId as_matrices(const Term& term, const Labels& matrices, const Labels& rows,
                      const Labels& columns) {
    const Term turned = transposed(term, united(united(matrices, rows), columns));
    const Shape s = shape(turned);
    if (!f_.ok()) return ir::kNoValue;
    const auto first = static_cast<int>(matrices.size());
    const auto second = first + static_cast<int>(rows.size());
    std::vector<int64_t> dims = {s.elements(first, second), s.elements(second, s.rank())};
    if (!matrices.empty()) dims.insert(dims.begin(), s.elements(0, first));
    return f_.reshape(turned.value, std::move(dims));
  }

  // `needed`: letters that matter after this product.
  Term multiply(Term a, Term b, const Labels& needed) {
    sum_unneeded(a, united(needed, b.labels));
    sum_unneeded(b, united(needed, a.labels));
    Labels matrices, summed, rows, columns;
    for (Label label : a.labels) {
      (!contains(b.labels, label) ? rows
       : contains(needed, label)  ? matrices
                                  : summed)
          .push_back(label);
    }
    for (Label label : b.labels) {
      if (!contains(a.labels, label)) columns.push_back(label);
    }
    const Labels labels = united(united(matrices, rows), columns);
    std::vector<int64_t> dims = sizes_of(a, matrices);
    for (int64_t size : sizes_of(a, rows)) dims.push_back(size);
    for (int64_t size : sizes_of(b, columns)) dims.push_back(size);
    const ValueId product = f_.matmul(as_matrices(a, matrices, rows, summed),
                                      as_matrices(b, matrices, summed, columns));
    return {f_.reshape(product, std::move(dims)), labels};
  }

  std::vector<int64_t> sizes_of(const Term& term, const Labels& labels) {
    const Shape s = shape(term);
    std::vector<int64_t> sizes;
    for (size_t d = 0; f_.ok() && d < labels.size(); ++d) {
      const auto at = std::find(term.labels.begin(), term.labels.end(), labels[d]);
      sizes.push_back(s[static_cast<int>(at - term.labels.begin())]);
    }
    return sizes;
  }

  Formula f_;
  const ForeignNode& node_;
  std::vector<Term> terms_;
  Labels output_;
};

}  // namespace

Status einsum(Lowering& l, const ForeignNode& node) { return Einsum(l, node).run(); }

}  // namespace inferd::import::onnx_lower
