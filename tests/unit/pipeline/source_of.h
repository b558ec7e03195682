// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "daemon/pipeline/source.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {

// A source as its configuration makes it, opened by nobody.
inline std::unique_ptr<Source> source_of(const config::NodeConfig& node) {
  auto source = make_source(node);
  if (!source.ok()) {
    ADD_FAILURE() << source.status().to_string();
    std::abort();
  }
  return std::move(*source);
}

// Why there is none.
inline std::string refusal(const config::NodeConfig& node) {
  return make_source(node).status().message();
}

// The next frame into `frame`; a failure of the test when there is none.
inline bool give(Source& source, Stopper& stopper, Frame& frame) {
  frame.lease = nullptr;
  const auto next = source.next(stopper, frame);
  EXPECT_TRUE(next.ok()) << next.status().to_string();
  if (!next.ok()) return false;
  EXPECT_TRUE(*next) << "the source has ended";
  return *next;
}

// What next() fails with, once it does.
inline std::string failure_of(Source& source, Stopper& stopper) {
  Frame frame;
  for (;;) {
    frame.lease = nullptr;
    const auto next = source.next(stopper, frame);
    if (!next.ok()) return next.status().message();
    if (!*next) return "(it has ended)";
  }
}

inline ptrdiff_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

}  // namespace inferd::pipeline
