// SPDX-License-Identifier: Apache-2.0
//
// Written straight into the text: a tree of nodes for each frame would cost more than the rest.
#include "daemon/pipeline/result_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace inferd::pipeline {
namespace {

template <typename T>
void append_number(T value, std::string& out) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out += "null";
      return;
    }
  }
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

// An object or list under way; puts the commas and the end.
class Group {
 public:
  Group(std::string& out, char begin, char end) : out_(out), end_(end) { out_ += begin; }
  ~Group() { out_ += end_; }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void next() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  void key(std::string_view name) {
    next();
    ((out_ += '"') += name) += "\":";
  }
  template <typename T>
  void number(std::string_view name, T value) {
    key(name);
    append_number(value, out_);
  }
  void text(std::string_view name, const std::string& value) {
    key(name);
    append_json_text(value, out_);
  }

 private:
  std::string& out_;
  const char end_;
  bool first_ = true;
};

template <typename Item, typename Write>
void append_list(const std::vector<Item>& items, std::string& out, Write write) {
  Group list(out, '[', ']');
  for (const Item& item : items) {
    list.next();
    write(item);
  }
}

template <typename Item, typename Write>
void append_objects(const std::vector<Item>& items, std::string& out, Write write) {
  append_list(items, out, [&](const Item& item) {
    Group object(out, '{', '}');
    write(item, object);
  });
}

// "key": [...], where there are any.
template <typename Item, typename Write>
void append_some(Group& object, std::string_view key, const std::vector<Item>& items,
                 std::string& out, Write write) {
  if (items.empty()) return;
  object.key(key);
  append_objects(items, out, write);
}

void append_score(const ClassScore& c, Group& object) {
  object.text("label", c.label);
  object.number("class_id", c.class_id);
  object.number("score", c.score);
}

void append_numbers(std::initializer_list<float> values, std::string& out) {
  Group list(out, '[', ']');
  for (const float value : values) {
    list.next();
    append_number(value, out);
  }
}

void append_detection(const Detection& d, Group& object, std::string& out) {
  object.text("label", d.label);
  object.number("class_id", d.class_id);
  object.number("score", d.score);
  object.key("box");
  append_numbers({d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max}, out);
  if (!d.keypoints.empty()) {
    object.key("keypoints");
    append_list(d.keypoints, out, [&](const Keypoint& k) {
      append_numbers({k.x, k.y, k.score}, out);
    });
  }
  if (d.track_id != 0) object.number("track_id", d.track_id);
  append_some(object, "classes", d.classes, out, append_score);
  if (!d.text.empty()) object.text("text", d.text);
}

void append_mask(const Mask& mask, std::string& out) {
  Group object(out, '{', '}');
  object.number("width", mask.width);
  object.number("height", mask.height);
  object.key("runs");
  append_list(mask.runs, out, [&](uint32_t run) { append_number(run, out); });
}

// What is said of the frame as a whole, where something is.
void append_frame(const FrameResult& result, Group& object, std::string& out) {
  append_some(object, "classes", result.classes, out, append_score);
  append_some(object, "areas", result.areas, out, [](const ClassArea& a, Group& area) {
    area.text("label", a.label);
    area.number("class_id", a.class_id);
    area.number("fraction", a.fraction);
  });
  if (result.mask.width > 0) {
    object.key("mask");
    append_mask(result.mask, out);
  }
  append_some(object, "counts", result.counts, out, [](const Count& c, Group& count) {
    count.text("name", c.name);
    count.text("label", c.label);
    count.number("class_id", c.class_id);
    count.number("in", c.in);
    count.number("out", c.out);
    count.number("inside", c.inside);
  });
  append_some(object, "values", result.values, out, [](const Value& v, Group& value) {
    value.text("name", v.name);
    value.number("value", v.value);
  });
  if (!result.text.empty()) object.text("text", result.text);
}

}  // namespace

void append_json_text(const std::string& text, std::string& out) {
  using Json = nlohmann::json;
  out += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_json(const std::vector<Detection>& detections, std::string& out) {
  append_objects(detections, out,
                 [&](const Detection& d, Group& object) { append_detection(d, object, out); });
}

void append_json(const FrameResult& result, std::string& out) {
  Group object(out, '{', '}');
  object.text("pipeline", result.pipeline);
  if (!result.node.empty()) object.text("node", result.node);
  if (!result.source.empty()) object.text("source", result.source);
  object.number("sequence", result.sequence);
  object.number("capture_ns", result.capture_ns);
  object.number("latency_ms", static_cast<double>(result.result_ns - result.capture_ns) * 1e-6);
  object.text("frame", result.frame_name);
  object.number("width", result.width);
  object.number("height", result.height);
  object.key("detections");
  append_json(result.detections, out);
  append_frame(result, object, out);
}

}  // namespace inferd::pipeline
