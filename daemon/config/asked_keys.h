// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace inferd::config {

// A key that somebody wanted to read from a configuration, and what it may be.
struct AskedKey {
  enum class Kind { kText, kNumber, kInteger, kBoolean, kChoice, kTexts, kNumbers, kAny };
  std::string name;
  Kind kind = Kind::kAny;
  bool required = false;
  double min = 0, max = 0;                // of numbers and integers
  std::vector<std::string> choices = {};  // of a choice
  std::string fallback = {};              // what it is if nobody says; empty: nothing
};

// While one lives, the keys that are read in this thread are noted: so the schema of pipelines is
// made of what the readers do (tests/unit/pipeline/schema_test.cc). One at a time.
class AskedKeys {
 public:
  AskedKeys();
  ~AskedKeys();
  AskedKeys(const AskedKeys&) = delete;
  AskedKeys& operator=(const AskedKeys&) = delete;

  const std::vector<AskedKey>& all() const { return all_; }  // in order, some of them repeatedly

  // Of the one that lives in this thread, if there is one.
  static void note(AskedKey key);

 private:
  std::vector<AskedKey> all_;
};

}  // namespace inferd::config
