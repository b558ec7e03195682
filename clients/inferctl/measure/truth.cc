// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/truth.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "media/file.h"

namespace inferd::ctl {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(trimmed(text.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

// By spaces and tabs, however many.
std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> all;
  for (size_t at = text.find_first_not_of(" \t\r"); at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \t\r", at), text.size());
    all.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(" \t\r", end);
  }
  return all;
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Calls `parse` with every line that is not blank.
template <typename Parse>
Status for_each_line(std::string_view text, const std::string& name, const Parse& parse) {
  size_t line = 0;
  for (const std::string_view content : split(text, '\n')) {
    ++line;
    if (content.empty()) continue;
    INFERD_RETURN_IF_ERROR(parse(content).with_context(name + ":" + std::to_string(line)));
  }
  return ok_status();
}

Status not_a_label(std::string_view line) {
  return invalid_argument("'" + std::string(line.substr(0, 80)) +
                          "' is neither \"file,class\" nor \"file,classes,class\" nor "
                          "\"file,classes,class,window,stride\"");
}

bool leaves_folder(const std::string& file) {
  const std::filesystem::path path(file);
  if (path.is_absolute()) return true;
  return std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
}

Result<LabelledFile> parse_label(std::string_view line) {
  const std::vector<std::string_view> parts = split(line, ',');
  if (parts.size() < 2 || parts.size() == 4 || parts.size() > 5 || parts[0].empty()) {
    return not_a_label(line);
  }
  std::vector<size_t> numbers;
  for (size_t i = 1; i < parts.size(); ++i) {
    const auto value = number<uint32_t>(parts[i]);
    if (!value) return not_a_label(line);
    numbers.push_back(*value);
  }
  LabelledFile label{std::string(parts[0]), numbers[numbers.size() == 1 ? 0 : 1], 0, 0};
  if (leaves_folder(label.file)) {
    return invalid_argument("'" + label.file + "' is not inside the folder of the data");
  }
  if (numbers.size() > 1 && label.class_id >= numbers[0]) {
    return invalid_argument("class " + std::to_string(label.class_id) + " of " +
                            std::to_string(numbers[0]) + " classes: they count from 0");
  }
  if (numbers.size() == 4) {
    label.window = numbers[2];
    label.stride = numbers[3];
    if (label.window == 0 || label.stride == 0) {
      return invalid_argument("window and stride must be at least 1 byte");
    }
  }
  return label;
}

Result<TrueBox> parse_box(std::string_view line) {
  constexpr size_t kNumbers = 5;
  const std::vector<std::string_view> parts = words(line);
  const Status other = invalid_argument(
      "'" + std::string(line.substr(0, 80)) +
      "' is not \"class centre-x centre-y width height\" with numbers from 0 to 1");
  if (parts.size() != kNumbers) return other;
  const auto class_id = number<uint32_t>(parts[0]);
  if (!class_id) return other;
  float box[4];
  for (size_t i = 0; i < 4; ++i) {
    const auto value = number<float>(parts[i + 1]);
    if (!value || !(*value >= 0.F && *value <= 1.F)) return other;
    box[i] = *value;
  }
  const auto [x, y, w, h] = box;
  return TrueBox{*class_id, {x - w / 2, y - h / 2, x + w / 2, y + h / 2}};
}

}  // namespace

Result<std::vector<LabelledFile>> parse_class_labels(std::string_view text,
                                                     const std::string& name) {
  std::vector<LabelledFile> labels;
  INFERD_RETURN_IF_ERROR(for_each_line(text, name, [&](std::string_view line) -> Status {
    INFERD_ASSIGN_OR_RETURN(LabelledFile label, parse_label(line));
    labels.push_back(std::move(label));
    return ok_status();
  }));
  if (labels.empty()) return invalid_argument(name + ": has no lines \"file,class\"");
  return labels;
}

Result<std::vector<TrueBox>> parse_boxes(std::string_view text, const std::string& name) {
  std::vector<TrueBox> boxes;
  INFERD_RETURN_IF_ERROR(for_each_line(text, name, [&](std::string_view line) -> Status {
    INFERD_ASSIGN_OR_RETURN(const TrueBox box, parse_box(line));
    boxes.push_back(box);
    return ok_status();
  }));
  return boxes;
}

Result<std::vector<std::string>> parse_names(std::string_view text, const std::string& name) {
  std::vector<std::string> names;
  for (const std::string_view line : split(text, '\n')) names.emplace_back(line);
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (names.empty()) return invalid_argument(name + ": has no lines with names");
  return names;
}

Result<std::string> read_text(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{64} << 20;
  INFERD_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, media::read_file(path));
  if (bytes.size() > kMaxBytes) {
    return invalid_argument("'" + path + "' has over 64 MiB: it is no file of labels");
  }
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace inferd::ctl
