// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/messages.h"

#include <cstring>
#include <type_traits>

namespace inferd::pipeline {
namespace {

class Writer {
 public:
  explicit Writer(Bytes& packet) : packet_(packet) { packet_.clear(); }

  template <typename T>
  void put(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    append(&value, sizeof value);
  }
  // With its zero, so that it is a text where it lies.
  void put_text(const char* text) {
    const size_t size = text == nullptr ? 0 : std::strlen(text);
    put(static_cast<uint32_t>(size));
    append(text, size);
    put(char{0});
  }

 private:
  void append(const void* bytes, size_t size) {
    const size_t at = packet_.size();
    packet_.resize(at + size);
    if (size > 0) std::memcpy(packet_.data() + at, bytes, size);
  }

  Bytes& packet_;
};

// After something that is not there, all else is 0 and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> packet) : left_(packet) {}

  template <typename T>
  T get() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    if (const std::byte* at = take(sizeof value); at != nullptr)
      std::memcpy(&value, at, sizeof value);
    return value;
  }
  const char* get_text() {
    const size_t size = get<uint32_t>();
    const std::byte* at = take(size + 1);
    if (at == nullptr || at[size] != std::byte{0}) {
      ok_ = false;
      return "";
    }
    return reinterpret_cast<const char*>(at);
  }
  // How many follow that take at least `bytes` each.
  size_t get_count(size_t bytes) {
    const size_t count = get<uint32_t>();
    if (count <= left_.size() / bytes) return count;
    ok_ = false;
    return 0;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && left_.empty(); }

 private:
  const std::byte* take(size_t size) {
    if (!ok_ || size > left_.size()) {
      ok_ = false;
      return nullptr;
    }
    const std::byte* at = left_.data();
    left_ = left_.subspan(size);
    return at;
  }

  std::span<const std::byte> left_;
  bool ok_ = true;
};

void put_detection(Writer& w, const inferd_stage_detection& d) {
  for (const float number : {d.x_min, d.y_min, d.x_max, d.y_max, d.score}) w.put(number);
  w.put(d.class_id);
  w.put(d.track_id);
  w.put(d.origin);
  w.put_text(d.label);
  w.put_text(d.text);
  w.put(static_cast<uint32_t>(d.point_count));
  for (size_t i = 0; i < d.point_count; ++i) {
    w.put(d.points[i].x);
    w.put(d.points[i].y);
    w.put(d.points[i].score);
  }
}

void get_detection(Reader& r, Findings& f) {
  inferd_stage_detection d{};
  for (float* number : {&d.x_min, &d.y_min, &d.x_max, &d.y_max, &d.score}) *number = r.get<float>();
  d.class_id = r.get<int32_t>();
  d.track_id = r.get<uint64_t>();
  d.origin = r.get<int64_t>();
  d.label = r.get_text();
  d.text = r.get_text();
  d.point_count = r.get_count(3 * sizeof(float));
  for (size_t i = 0; i < d.point_count; ++i) {
    inferd_stage_point point{};
    for (float* number : {&point.x, &point.y, &point.score}) *number = r.get<float>();
    f.points.push_back(point);
  }
  f.detections.push_back(d);
}

void put_findings(Writer& w, const inferd_stage_detection* detections, size_t detection_count,
                  const inferd_stage_value* values, size_t value_count, const char* text) {
  w.put(static_cast<uint32_t>(detection_count));
  for (size_t i = 0; i < detection_count; ++i) put_detection(w, detections[i]);
  w.put(static_cast<uint32_t>(value_count));
  for (size_t i = 0; i < value_count; ++i) {
    w.put_text(values[i].name);
    w.put(values[i].value);
  }
  w.put(static_cast<uint8_t>(text != nullptr));
  w.put_text(text);
}

void get_findings(Reader& r, Findings& f) {
  f.detections.clear();
  f.points.clear();
  f.values.clear();
  constexpr size_t kLeastDetection = 40;
  constexpr size_t kLeastValue = 13;
  const size_t detections = r.get_count(kLeastDetection);
  for (size_t i = 0; i < detections && r.ok(); ++i) get_detection(r, f);
  // All are there, and stay where they are.
  const inferd_stage_point* points = f.points.data();
  for (inferd_stage_detection& d : f.detections) {
    d.points = d.point_count == 0 ? nullptr : points;
    points += d.point_count;
  }
  const size_t values = r.get_count(kLeastValue);
  for (size_t i = 0; i < values && r.ok(); ++i) {
    const char* name = r.get_text();
    f.values.push_back({name, r.get<double>()});
  }
  const bool has_text = r.get<uint8_t>() != 0;
  const char* text = r.get_text();
  f.text = has_text ? text : nullptr;
}

constexpr uint64_t kNothing = UINT64_MAX;

void put_place(Writer& w, const void* at, const std::byte* memory) {
  w.put(at == nullptr ? kNothing
                      : static_cast<uint64_t>(static_cast<const std::byte*>(at) - memory));
}

const void* get_place(Reader& r, const std::byte* memory) {
  const auto offset = r.get<uint64_t>();
  return offset == kNothing ? nullptr : memory + offset;
}

}  // namespace

void pack_hello(const LibraryStage& stage, Bytes& packet) {
  Writer w(packet);
  w.put_text(stage.library.c_str());
  w.put_text(stage.symbol.c_str());
  w.put(static_cast<uint32_t>(stage.options.size()));
  for (const auto& [key, value] : stage.options) {
    w.put_text(key.c_str());
    w.put_text(value.c_str());
  }
}

bool unpack_hello(std::span<const std::byte> packet, LibraryStage& stage) {
  Reader r(packet);
  stage.library = r.get_text();
  stage.symbol = r.get_text();
  stage.options.clear();
  constexpr size_t kLeastOption = 10;
  const size_t options = r.get_count(kLeastOption);
  for (size_t i = 0; i < options && r.ok(); ++i) {
    std::string key = r.get_text();
    stage.options.emplace_back(std::move(key), r.get_text());
  }
  return r.at_end();
}

void pack_frame(const inferd_stage_frame& frame, const std::byte* memory, Bytes& packet) {
  Writer w(packet);
  w.put(frame.sequence);
  w.put(frame.capture_ns);
  w.put_text(frame.name);
  for (const int32_t number : {frame.width, frame.height, frame.format, frame.color}) w.put(number);
  for (size_t p = 0; p < 3; ++p) {
    put_place(w, frame.planes[p], memory);
    w.put(uint64_t{frame.strides[p]});
  }
  w.put(frame.rows);
  w.put(frame.columns);
  w.put(frame.rate_hz);
  put_place(w, frame.samples, memory);
  put_findings(w, frame.detections, frame.detection_count, frame.values, frame.value_count,
               frame.text);
}

bool unpack_frame(std::span<const std::byte> packet, const std::byte* memory, Findings& findings,
                  inferd_stage_frame& frame) {
  Reader r(packet);
  frame = {};
  frame.sequence = r.get<uint64_t>();
  frame.capture_ns = r.get<int64_t>();
  frame.name = r.get_text();
  for (int32_t* number : {&frame.width, &frame.height, &frame.format, &frame.color})
    *number = r.get<int32_t>();
  for (size_t p = 0; p < 3; ++p) {
    frame.planes[p] = static_cast<const uint8_t*>(get_place(r, memory));
    frame.strides[p] = r.get<uint64_t>();
  }
  frame.rows = r.get<int32_t>();
  frame.columns = r.get<int32_t>();
  frame.rate_hz = r.get<double>();
  frame.samples = static_cast<const float*>(get_place(r, memory));
  get_findings(r, findings);
  frame.detections = findings.detections.data();
  frame.detection_count = findings.detections.size();
  frame.values = findings.values.data();
  frame.value_count = findings.values.size();
  frame.text = findings.text == nullptr ? "" : findings.text;
  return r.at_end();
}

void pack_answer(int code, const std::string& error, const inferd_stage_output& output,
                 Bytes& packet) {
  Writer w(packet);
  w.put(int32_t{code});
  w.put_text(error.c_str());
  w.put(output.replace);
  put_findings(w, output.detections, output.detection_count, output.values, output.value_count,
               output.text);
}

bool unpack_answer(std::span<const std::byte> packet, HostAnswer& answer) {
  Reader r(packet);
  answer.code = r.get<int32_t>();
  answer.error = r.get_text();
  answer.output = {};
  answer.output.replace = r.get<uint32_t>();
  get_findings(r, answer.findings);
  answer.output.detections = answer.findings.detections.data();
  answer.output.detection_count = answer.findings.detections.size();
  answer.output.values = answer.findings.values.data();
  answer.output.value_count = answer.findings.values.size();
  answer.output.text = answer.findings.text;
  return r.at_end();
}

}  // namespace inferd::pipeline
