// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/checked_json.h"

#include <vector>

namespace inferd::serve {
namespace {

using Json = nlohmann::json;

// Builds the value from the parser's events and counts what it takes. False ends the parsing.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  Json take() { return std::move(root_); }
  const Status& status() const { return status_; }

  bool null() override { return add(nullptr, kScalar); }
  bool boolean(bool value) override { return add(value, kScalar); }
  bool number_integer(number_integer_t value) override { return add(value, kScalar); }
  bool number_unsigned(number_unsigned_t value) override { return add(value, kScalar); }
  bool number_float(number_float_t value, const string_t&) override { return add(value, kScalar); }
  bool string(string_t& value) override {
    const auto size = static_cast<int64_t>(value.size());
    return add(std::move(value), kText + size);
  }
  bool binary(binary_t&) override { return false; }  // not in JSON

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    const bool fits = charge(kMember + static_cast<int64_t>(value.size()));
    key_ = std::move(value);
    return fits;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    // The library's message may quote megabytes of the text.
    const bool number = error.id == 406;
    status_ = invalid_argument("the JSON is malformed at byte " + std::to_string(position) +
                               (number ? ": the number is too large" : ""));
    return false;
  }

 private:
  // About what the library and the allocator take for one.
  static constexpr int64_t kScalar = 16, kText = 64, kContainer = 64, kMember = 112;

  bool charge(int64_t bytes) {
    used_ += bytes;
    if (used_ <= limits_.bytes) return true;
    status_ = invalid_argument("the JSON has too many values; send tensors as binary data");
    return false;
  }

  bool add(Json value, int64_t bytes) {
    place(std::move(value));
    return charge(bytes);
  }

  // Where the value now is. Elements of an outer array do not move while an inner one grows.
  Json* place(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  bool open(Json empty) {
    if (static_cast<int>(open_.size()) == limits_.depth) {
      status_ = invalid_argument("the JSON is nested deeper than " + std::to_string(limits_.depth) +
                                 " levels");
      return false;
    }
    open_.push_back(place(std::move(empty)));
    return charge(kContainer);
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const JsonLimits limits_;
  int64_t used_ = 0;
  Json root_;
  std::vector<Json*> open_;  // arrays and objects that are not closed, the innermost last
  std::string key_;
  Status status_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  Builder builder(limits);
  if (Json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  return builder.status();
}

}  // namespace inferd::serve
