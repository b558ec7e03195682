// SPDX-License-Identifier: Apache-2.0
#include "media/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "media/file.h"

namespace inferd::media {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct TypeCode {
  std::string_view code;  // without byte order
  DType dtype;
};
constexpr TypeCode kTypes[] = {
    {"f4", DType::kFloat32}, {"f2", DType::kFloat16}, {"f8", DType::kFloat64},
    {"i1", DType::kInt8},    {"u1", DType::kUInt8},   {"i2", DType::kInt16},
    {"u2", DType::kUInt16},  {"i4", DType::kInt32},   {"u4", DType::kUInt32},
    {"i8", DType::kInt64},   {"u8", DType::kUInt64},  {"b1", DType::kBool},
};

// The text after `'key':` in the header's Python dictionary, without leading spaces.
Result<std::string_view> field(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "':";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return invalid_argument("the header has no " + quoted);
  std::string_view rest = header.substr(at + quoted.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

Result<DType> parse_type(std::string_view header) {
  INFERD_ASSIGN_OR_RETURN(const std::string_view text, field(header, "descr"));
  const size_t end = text.find('\'', 1);
  if (text.size() < 2 || text[0] != '\'' || end == std::string_view::npos) {
    return invalid_argument("the element type is not a simple one");
  }
  const std::string_view code = text.substr(1, end - 1);
  if (code.size() == 3 && code[0] != '>') {
    for (const TypeCode& type : kTypes) {
      if (type.code == code.substr(1)) return type.dtype;
    }
  }
  return invalid_argument("element type '" + std::string(code) + "' is not supported");
}

Result<Shape> parse_shape(std::string_view header) {
  INFERD_ASSIGN_OR_RETURN(std::string_view text, field(header, "shape"));
  const size_t close = text.find(')');
  if (text.empty() || text[0] != '(' || close == std::string_view::npos) {
    return invalid_argument("the shape is not a tuple");
  }
  text = text.substr(1, close - 1);
  Shape shape;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view number = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    number.remove_prefix(std::min(number.find_first_not_of(' '), number.size()));
    if (number.empty()) continue;
    int64_t dim = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), dim);
    if (error != std::errc() || end != number.data() + number.size() || dim < 0) {
      return invalid_argument("'" + std::string(number) + "' is not a dimension");
    }
    if (shape.rank() == kMaxRank) return invalid_argument("more than 8 dimensions");
    shape.push_back(dim);
  }
  return shape;
}

std::string header_of(const TensorView& tensor) {
  std::string code;
  for (const TypeCode& type : kTypes) {
    if (type.dtype == tensor.dtype) code = type.code;
  }
  std::string dims;
  for (int64_t dim : tensor.shape) dims += std::to_string(dim) + ", ";
  if (tensor.shape.rank() > 1) dims.resize(dims.size() - 2);
  const char order = dtype_size(tensor.dtype) == 1 ? '|' : '<';
  return "{'descr': '" + std::string(1, order) + code + "', 'fortran_order': False, 'shape': (" +
         dims + "), }";
}

}  // namespace

Result<Array> parse_npy(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < 10) return invalid_argument("not a .npy file");
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(text[i]));
  };
  const size_t version = byte(6);
  if (version < 1 || version > 3) {
    return invalid_argument(".npy version " + std::to_string(version) + " is not supported");
  }
  const size_t prefix = version == 1 ? 10 : 12;
  if (text.size() < prefix) return data_loss("the file ends inside its header");
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > text.size() - prefix) return data_loss("the file ends inside its header");
  const std::string_view header = text.substr(prefix, length);

  Array array;
  INFERD_ASSIGN_OR_RETURN(array.dtype, parse_type(header));
  INFERD_ASSIGN_OR_RETURN(array.shape, parse_shape(header));
  INFERD_ASSIGN_OR_RETURN(const std::string_view order, field(header, "fortran_order"));
  if (!order.starts_with("False") && array.shape.rank() > 1) {
    return invalid_argument(
        "column-major arrays are not supported; save with numpy.ascontiguousarray");
  }
  INFERD_ASSIGN_OR_RETURN(const int64_t expected, checked_bytes(array.dtype, array.shape));
  const std::span<const std::byte> data = bytes.subspan(prefix + length);
  if (static_cast<int64_t>(data.size()) < expected) {
    return data_loss("has " + std::to_string(data.size()) + " bytes of data, " +
                     array.shape.to_string() + " needs " + std::to_string(expected));
  }
  array.data.assign(data.begin(), data.begin() + expected);
  return array;
}

Result<Array> read_npy(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, read_file(path));
  Result<Array> array = parse_npy(std::as_bytes(std::span(bytes)));
  if (!array.ok()) return array.status().with_context(path);
  return array;
}

Status write_npy(const std::string& path, const TensorView& tensor) {
  std::string header = header_of(tensor);
  // Magic, version and length take 10 bytes; data starts at a multiple of 64.
  const size_t padded = (10 + header.size() + 1 + 63) / 64 * 64 - 10;
  header.resize(padded - 1, ' ');
  header += '\n';
  std::string file(kMagic);
  file += {'\1', '\0', static_cast<char>(padded & 0xFF), static_cast<char>(padded >> 8)};
  file += header;
  file.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
  return write_file(path, std::as_bytes(std::span(file)));
}

}  // namespace inferd::media
