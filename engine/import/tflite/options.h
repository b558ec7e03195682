// SPDX-License-Identifier: Apache-2.0
//
// The options of operators, table by table. Private to import/tflite.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <span>

#include "engine/import/foreign_graph.h"
#include "inferd/engine/engine.h"
#include "schema_generated.h"

namespace inferd::import {

// A verifier of the FlatBuffer in `file`.
flatbuffers::Verifier verifier_of(std::span<const std::byte> file, const Limits& limits);

// Options that are the number of a graph of the file, and the attributes that hold it.
inline constexpr const char* kGraphOptions[] = {"then_branch", "else_branch", "condition",
                                                "body",        "callee",      "init"};

// Borrows both.
class OptionsReader {
 public:
  OptionsReader(std::span<const std::byte> file, const Limits& limits)
      : file_(file), limits_(limits) {}

  // Adds the options of `op` to the attributes of `node`, whose domain and op are set; an operator
  // without a table of options has none, and lowering sees defaults. DATA_LOSS where a table is
  // corrupt.
  Status read(const tflite::Operator& op, ForeignNode& node) const;

  // The table that `table` points to, as T, whatever the file says it is. Null stays null; `what`
  // is for the message.
  template <typename T>
  Result<const T*> verified(const tflite::Empty* table, const char* what) const {
    const auto* typed = reinterpret_cast<const T*>(table);
    flatbuffers::Verifier verifier = verifier_of(file_, limits_);
    if (typed != nullptr && !verifier.VerifyTable(typed)) {
      return data_loss(std::string(what) + " are corrupt");
    }
    return typed;
  }

 private:
  template <typename T, typename Fill>
  Status with_options(const tflite::Operator& op, Fill fill) const {
    INFERD_ASSIGN_OR_RETURN(const T* table, verified<T>(op.options_table(), "its options"));
    if (table != nullptr) fill(*table);
    return ok_status();
  }
  Status read_recurrent(const tflite::Operator& op, ForeignNode& node) const;
  Status read_control(const tflite::Operator& op, ForeignNode& node) const;
  Status read_custom(const tflite::Operator& op, ForeignNode& node) const;

  const std::span<const std::byte> file_;
  const Limits& limits_;
};

}  // namespace inferd::import
