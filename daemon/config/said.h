// SPDX-License-Identifier: Apache-2.0
//
// Options of which several places may say something.
#pragma once

#include <optional>

namespace inferd::config {

// What `base` says, where `own` says nothing.
template <typename T>
void take(std::optional<T>& own, const std::optional<T>& base) {
  if (!own) own = base;
}

// What is said; without it, `value` stays.
template <typename T>
void set(T& value, const std::optional<T>& said) {
  if (said) value = *said;
}

}  // namespace inferd::config
