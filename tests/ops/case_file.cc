// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/case_file.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <sstream>
#include <string_view>

#include "engine/ir/ops.h"
#include "tests/ops/attributes.h"

namespace inferd::ops {
namespace {

template <typename T>
bool parse_number(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// Items of "[1,2,3]" or "1,2,3".
template <typename T>
bool parse_list(std::string_view text, std::vector<T>* values) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (!parse_number(text.substr(0, comma), &values->emplace_back())) return false;
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return true;
}

// Appends the stored form of one written value.
class ValueWriter {
 public:
  explicit ValueWriter(CaseTensor* tensor) : tensor_(tensor) {}

  // A number, COUNT*NUMBER, FIRST..LAST, or i*A%M+B for every element.
  Status write(std::string_view token) {
    if (token.starts_with("i*")) return write_pattern(token);
    if (const size_t star = token.find('*'); star != std::string_view::npos) {
      int64_t count = 0;
      if (!parse_number(token.substr(0, star), &count)) return unreadable(token);
      for (; count > 0; --count) INFERD_RETURN_IF_ERROR(write_one(token.substr(star + 1)));
      return ok_status();
    }
    if (const size_t dots = token.find(".."); dots != std::string_view::npos) {
      int64_t first = 0;
      int64_t last = 0;
      if (!parse_number(token.substr(0, dots), &first) ||
          !parse_number(token.substr(dots + 2), &last)) {
        return unreadable(token);
      }
      for (; first <= last; ++first) INFERD_RETURN_IF_ERROR(write_one(std::to_string(first)));
      return ok_status();
    }
    return write_one(token);
  }

 private:
  static Status unreadable(std::string_view token) {
    return invalid_argument("cannot read the value '" + std::string(token) + "'");
  }

  Status write_pattern(std::string_view token) {
    const size_t percent = token.find('%');
    const size_t sign = token.find_first_of("+-", std::min(percent, token.size()));
    int64_t factor = 0;
    int64_t modulus = 0;
    int64_t offset = 0;
    if (percent == std::string_view::npos || sign == std::string_view::npos ||
        !parse_number(token.substr(2, percent - 2), &factor) ||
        !parse_number(token.substr(percent + 1, sign - percent - 1), &modulus) || modulus < 1 ||
        !parse_number(token.substr(token[sign] == '+' ? sign + 1 : sign), &offset)) {
      return unreadable(token);
    }
    for (int64_t i = 0; i < tensor_->shape.elements(); ++i) {
      INFERD_RETURN_IF_ERROR(write_one(std::to_string(i * factor % modulus + offset)));
    }
    return ok_status();
  }

  template <typename T>
  Status append(std::string_view token) {
    T value{};
    if (!parse_number(token, &value)) return unreadable(token);
    return append_value(value);
  }

  template <typename T>
  Status append_value(T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    tensor_->data.insert(tensor_->data.end(), bytes, bytes + sizeof value);
    return ok_status();
  }

  // float16 is written as its bits, so that no conversion of ours stands between.
  Status write_half(std::string_view token) {
    uint16_t bits = 0;
    if (!token.starts_with("0x") ||
        std::from_chars(token.data() + 2, token.data() + token.size(), bits, 16).ec !=
            std::errc()) {
      return invalid_argument("float16 is written as bits, 0x3c00, not '" + std::string(token) +
                              "'");
    }
    return append_value(bits);
  }

  Status write_one(std::string_view token) {
    switch (tensor_->dtype) {
      case DType::kFloat32:
        return append<float>(token);
      case DType::kFloat64:
        return append<double>(token);
      case DType::kFloat16:
        return write_half(token);
      case DType::kInt8:
        return append<int8_t>(token);
      case DType::kUInt8:
      case DType::kBool:
        return append<uint8_t>(token);
      case DType::kInt16:
        return append<int16_t>(token);
      case DType::kUInt16:
        return append<uint16_t>(token);
      case DType::kInt32:
        return append<int32_t>(token);
      case DType::kUInt32:
        return append<uint32_t>(token);
      case DType::kInt64:
        return append<int64_t>(token);
      case DType::kUInt64:
        return append<uint64_t>(token);
    }
    return unreadable(token);
  }

  CaseTensor* tensor_;
};

// "scale=0.5" of a tensor's line.
Status set_property(CaseTensor* tensor, const std::string& name, const std::string& value) {
  bool parsed = false;
  if (name == "scale") {
    parsed = parse_list(value, &tensor->quantization.scales);
  } else if (name == "zero") {
    parsed = parse_list(value, &tensor->quantization.zero_points);
  } else if (name == "axis") {
    parsed = parse_number(value, &tensor->quantization.axis);
  } else if (name == "tolerance") {
    parsed = parse_number(value, &tensor->tolerance);
  } else {
    return invalid_argument("a tensor has no '" + name + "'");
  }
  return parsed ? ok_status() : invalid_argument("'" + value + "' is no value for " + name);
}

// TYPE SHAPE [NAME=VALUE ...] = VALUES
Result<CaseTensor> parse_tensor(const std::string& text) {
  const size_t equals = text.find(" = ");
  std::istringstream head(text.substr(0, equals));
  std::string type;
  std::string shape;
  std::string property;
  head >> type >> shape;
  CaseTensor tensor;
  const std::optional<DType> dtype = dtype_from_name(type);
  if (!dtype.has_value()) return invalid_argument("no type is called '" + type + "'");
  tensor.dtype = *dtype;
  std::vector<int64_t> dims;
  if (!shape.starts_with('[') || !parse_list(shape, &dims) || dims.size() > kMaxRank) {
    return invalid_argument("'" + shape + "' is no shape");
  }
  tensor.shape = Shape(std::span<const int64_t>(dims));
  while (head >> property) {
    const size_t at = property.find('=');
    if (at == std::string::npos) return invalid_argument("'" + property + "' has no '='");
    INFERD_RETURN_IF_ERROR(set_property(&tensor, property.substr(0, at), property.substr(at + 1)));
  }
  // One zero point stands for all.
  Quantization& q = tensor.quantization;
  if (q.zero_points.size() == 1) q.zero_points.resize(q.scales.size(), q.zero_points[0]);
  if (q.zero_points.size() != q.scales.size()) {
    return invalid_argument("scales and zero points differ in number");
  }
  std::istringstream values(equals == std::string::npos ? "" : text.substr(equals + 3));
  ValueWriter writer(&tensor);
  for (std::string token; values >> token;) INFERD_RETURN_IF_ERROR(writer.write(token));
  const size_t count = tensor.data.size() / dtype_size(tensor.dtype);
  if (static_cast<int64_t>(count) != tensor.shape.elements()) {
    return invalid_argument(std::to_string(count) + " values for the shape " +
                            tensor.shape.to_string());
  }
  return tensor;
}

Status parse_attributes(OpAttrs* attrs, const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t at = word.find('=');
    if (at == std::string::npos) return invalid_argument("'" + word + "' has no '='");
    INFERD_RETURN_IF_ERROR(set_attribute(attrs, word.substr(0, at), word.substr(at + 1)));
  }
  return ok_status();
}

// One statement, "key: text", of the case that is last in `cases`.
Status parse_statement(OpKind kind, int line, const std::string& key, const std::string& text,
                       std::vector<OpCase>* cases) {
  if (key == "case") {
    if (!cases->empty() && cases->back().outputs.empty()) {
      return invalid_argument("the case before has no output");
    }
    cases->push_back({line, text, ir::default_attrs(kind), {}, {}});
    return ok_status();
  }
  if (cases->empty()) return invalid_argument("a file begins with 'case: title'");
  OpCase& last = cases->back();
  if (key == "attributes") return parse_attributes(&last.attrs, text);
  if (key != "input" && key != "constant" && key != "output") {
    return invalid_argument("'" + key + "' is not case, attributes, input, constant or output");
  }
  INFERD_ASSIGN_OR_RETURN(CaseTensor tensor, parse_tensor(text));
  tensor.constant = key == "constant";
  (key == "output" ? last.outputs : last.inputs).push_back(std::move(tensor));
  return ok_status();
}

}  // namespace

Result<std::vector<OpCase>> parse_cases(OpKind kind, const std::string& name,
                                        const std::string& text) {
  std::vector<OpCase> cases;
  std::string key;
  std::string statement;
  int start = 0;  // line of the statement
  const auto finish = [&]() -> Status {
    if (start == 0) return ok_status();
    return parse_statement(kind, start, key, statement, &cases)
        .with_context(name + ":" + std::to_string(start));
  };
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line.resize(std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(' ') == std::string::npos) continue;
    if (line[0] == ' ' && start != 0) {  // goes on
      statement += line;
      continue;
    }
    INFERD_RETURN_IF_ERROR(finish());
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) {
      return invalid_argument(name + ":" + std::to_string(number) + ": expected 'key: text'");
    }
    start = number;
    key = line.substr(0, colon);
    statement = line.substr(colon + 2);
  }
  INFERD_RETURN_IF_ERROR(finish());
  if (cases.empty() || cases.back().outputs.empty()) {
    return invalid_argument(name + ":" + std::to_string(number) + ": no case, or no output");
  }
  return cases;
}

}  // namespace inferd::ops
