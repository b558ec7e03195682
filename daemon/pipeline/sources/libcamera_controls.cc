// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/libcamera_controls.h"

#include <libcamera/control_ids.h>
#include <libcamera/version.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

// Since then controls say themselves whether they are lists.
#define INFERD_LIBCAMERA_KNOWS_LISTS (LIBCAMERA_VERSION_MAJOR > 0 || LIBCAMERA_VERSION_MINOR >= 4)

namespace inferd::pipeline {
namespace {

using libcamera::ControlId;
using libcamera::ControlInfo;
using libcamera::ControlValue;

// How many values the control has; 0: one, and no list; nothing: any number of them.
std::optional<size_t> length_of(const ControlId& control) {
#if INFERD_LIBCAMERA_KNOWS_LISTS
  if (!control.isArray()) return 0;
  constexpr size_t kMost = 1024;  // more stands for any number
  return control.size() < kMost ? std::optional(control.size()) : std::nullopt;
#else
  if (control.id() == libcamera::controls::FrameDurationLimits.id()) return 2;
  if (control.id() == libcamera::controls::ColourGains.id()) return 2;
  if (control.id() == libcamera::controls::ColourCorrectionMatrix.id()) return 9;
  if (control.id() == libcamera::controls::AfWindows.id()) return std::nullopt;
  return 0;
#endif
}

template <typename T>
std::optional<T> parse(const std::string& text) {
  if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false") return std::nullopt;
    return text == "true";
  } else {
    T value{};
    const char* const end = text.data() + text.size();
    const auto [parsed, code] = std::from_chars(text.data(), end, value);
    if (code != std::errc() || parsed != end || text.empty()) return std::nullopt;
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) return std::nullopt;
    }
    return value;
  }
}

template <typename T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_floating_point_v<T>) return "a number";
  return "a whole number";
}

// Ranges of lists are those of each value, or lists themselves.
template <typename T>
std::optional<T> limit_of(const ControlValue& limit, size_t i) {
  if (limit.type() != libcamera::details::control_type<T>::value) return std::nullopt;
  if (!limit.isArray()) return limit.get<T>();
  const auto limits = limit.get<libcamera::Span<const T>>();
  return i < limits.size() ? std::optional(limits[i]) : std::nullopt;
}

template <typename T>
Status check_range(const std::string& name, const ControlInfo& info, T value, size_t i) {
  const auto min = limit_of<T>(info.min(), i), max = limit_of<T>(info.max(), i);
  if ((min && value < *min) || (max && value > *max))
    return invalid_argument("control '" + name + "' goes from " + info.min().toString() + " to " +
                            info.max().toString());
  std::string choices;
  for (const ControlValue& choice : info.values()) {
    if (choice.type() != libcamera::details::control_type<T>::value || choice.isArray())
      return ok_status();
    if (choice.get<T>() == value) return ok_status();
    choices += (choices.empty() ? "" : ", ") + choice.toString();
  }
  if (choices.empty()) return ok_status();
  return invalid_argument("control '" + name + "' is one of " + choices);
}

template <typename T>
Result<ControlValue> value_of(const ControlId& control, const ControlInfo& info,
                              const std::vector<std::string>& texts) {
  constexpr size_t kMostValues = 64;
  std::array<T, kMostValues> values{};
  const std::optional<size_t> length = length_of(control);
  const size_t least = length ? std::max<size_t>(*length, 1) : 1;
  const size_t most = length ? least : kMostValues;
  if (texts.size() < least || texts.size() > most)
    return invalid_argument("control '" + control.name() + "' has " +
                            (length ? std::to_string(least) : "1 to " + std::to_string(most)) +
                            (least == 1 && length ? " value, not " : " values, not ") +
                            std::to_string(texts.size()));
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::optional<T> value = parse<T>(texts[i]);
    if (!value)
      return invalid_argument("control '" + control.name() + "' is " + type_name<T>() + ", from " +
                              info.min().toString() + " to " + info.max().toString() + ", not '" +
                              texts[i] + "'");
    INFERD_RETURN_IF_ERROR(check_range(control.name(), info, *value, i));
    values[i] = *value;
  }
  if (length == 0) return ControlValue(values[0]);
  return ControlValue(libcamera::Span<const T>(values.data(), texts.size()));
}

// x, y, width and height.
Result<ControlValue> rectangle_of(const ControlId& control, const std::vector<std::string>& texts) {
  std::array<int, 4> sides{};
  bool good = texts.size() == sides.size() && length_of(control) == 0;
  for (size_t i = 0; good && i < sides.size(); ++i) {
    const auto side = parse<int>(texts[i]);
    good = side && (i < 2 || *side >= 0);
    sides[i] = side.value_or(0);
  }
  if (!good)
    return invalid_argument("control '" + control.name() + "' is a list of x, y, width and height");
  return ControlValue(libcamera::Rectangle(sides[0], sides[1], static_cast<unsigned>(sides[2]),
                                           static_cast<unsigned>(sides[3])));
}

Result<ControlValue> any_value_of(const ControlId& control, const ControlInfo& info,
                                  const std::vector<std::string>& texts) {
  switch (control.type()) {
    case libcamera::ControlTypeBool:
      return value_of<bool>(control, info, texts);
    case libcamera::ControlTypeByte:
      return value_of<uint8_t>(control, info, texts);
    case libcamera::ControlTypeInteger32:
      return value_of<int32_t>(control, info, texts);
    case libcamera::ControlTypeInteger64:
      return value_of<int64_t>(control, info, texts);
    case libcamera::ControlTypeFloat:
      return value_of<float>(control, info, texts);
    case libcamera::ControlTypeRectangle:
      return rectangle_of(control, texts);
    default:
      return unimplemented("control '" + control.name() + "' cannot be set from a configuration");
  }
}

}  // namespace

Status set_libcamera_controls(const libcamera::ControlInfoMap& known, const LibcameraWishes& wishes,
                              libcamera::ControlList& to) {
  for (const auto& wish : wishes) {
    const std::string& name = wish.first;
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const auto& entry) { return entry.first->name() == name; });
    if (found == known.end()) {
      std::set<std::string> names;
      for (const auto& [control, info] : known) names.insert(control->name());
      std::string list;
      for (const std::string& other : names) list += (list.empty() ? "" : ", ") + other;
      return invalid_argument("there is no control '" + name +
                              "'; there is: " + (list.empty() ? "none" : list));
    }
    INFERD_ASSIGN_OR_RETURN(const ControlValue value,
                            any_value_of(*found->first, found->second, wish.second));
    to.set(found->first->id(), value);
  }
  return ok_status();
}

Status set_libcamera_rate(const libcamera::ControlInfoMap& known, double fps,
                          libcamera::ControlList& to) {
  const ControlId& limits = libcamera::controls::FrameDurationLimits;
  // Its own find() falls over where a camera has no controls at all.
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& entry) {
    return entry.first->id() == limits.id();
  });
  if (found == known.end()) return invalid_argument("it takes no rate; leave out 'fps'");
  const auto shortest = limit_of<int64_t>(found->second.min(), 0);
  const auto longest = limit_of<int64_t>(found->second.max(), 0);
  auto us = static_cast<int64_t>(std::llround(1e6 / fps));
  // 29.97 will do for 30.
  const int64_t near = us / 100;
  if ((shortest && us < *shortest - near) || (longest && us > *longest + near))
    return invalid_argument("it gives a picture each " + found->second.min().toString() + " to " +
                            found->second.max().toString() + " us, not " + std::to_string(us) +
                            "; change 'fps', or 'width' and 'height'");
  if (shortest) us = std::max(us, *shortest);
  if (longest) us = std::min(us, *longest);
  const std::array<int64_t, 2> both = {us, us};
  to.set(limits.id(), ControlValue(libcamera::Span<const int64_t>(both.data(), both.size())));
  return ok_status();
}

}  // namespace inferd::pipeline
