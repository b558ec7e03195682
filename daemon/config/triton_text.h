// SPDX-License-Identifier: Apache-2.0
//
// Triton's model configuration as text, and where everything stands in it. Private to config.
#pragma once

#include <google/protobuf/text_format.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "inference/model_config.pb.h"

namespace inferd::config {

// One message of a file: what it says and where. Refers to the TritonText that it is of.
template <typename Message>
class Part {
 public:
  using Tree = google::protobuf::TextFormat::ParseInfoTree;

  // `tree` is null where the parser kept no record: then everything stands where `mark` says.
  Part(const Message& message, const Tree* tree, Mark mark)
      : message_(message), tree_(tree), mark_(std::move(mark)) {}

  const Message& operator*() const { return message_; }
  const Message* operator->() const { return &message_; }
  const Mark& mark() const { return mark_; }

  // Where a field stands; `index` counts those of a repeated one. Of a list in brackets, the parser
  // tells only where it begins.
  Mark mark_of(const std::string& name, int index = -1) const {
    const auto* field = Message::descriptor()->FindFieldByName(name);
    if (tree_ == nullptr || field == nullptr) return mark_;
    auto location = tree_->GetLocation(field, field->is_repeated() ? index : -1);
    if (location.line < 0 && index > 0) location = tree_->GetLocation(field, 0);
    if (location.line < 0) return mark_;
    return {mark_.file, location.line + 1, location.column + 1};
  }

  // `inner` is the value of the field `name`.
  template <typename Inner>
  Part<Inner> part(const Inner& inner, const std::string& name, int index = -1) const {
    const auto* field = Message::descriptor()->FindFieldByName(name);
    const Tree* tree = tree_ == nullptr ? nullptr : tree_->GetTreeForNested(field, index);
    return {inner, tree, mark_of(name, index)};
  }

 private:
  const Message& message_;
  const Tree* tree_;
  Mark mark_;
};

struct TritonText {
  inference::ModelConfig message;
  google::protobuf::TextFormat::ParseInfoTree tree;
  std::vector<std::string> notes;  // of each field that is not known here, and why
  std::string file;

  Part<inference::ModelConfig> root() const { return {message, &tree, {file, 1, 1}}; }
};

// Errors: as read_file(), and INVALID_ARGUMENT with line and column for what is no such text:
// wrong syntax, wrong types, fields that stand twice, more than 32 levels, text that is not UTF-8.
Result<std::unique_ptr<TritonText>> parse_triton_text(const std::string& path);

}  // namespace inferd::config
