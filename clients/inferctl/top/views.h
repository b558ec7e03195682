// SPDX-License-Identifier: Apache-2.0
//
// What `inferctl top` can show of two samples: a table of each kind of thing, and one of all that
// is known of one thing. Rates are of the time between the samples.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "clients/inferctl/top/sample.h"
#include "clients/inferctl/top/table.h"

namespace inferd::ctl {

struct View {
  const char* name;  // "models"
  Table (*table)(const SamplePair& samples);
  // Of the row with this key; no rows when it has gone.
  Table (*one)(const SamplePair& samples, const std::string& key);
};

const std::array<View, 4>& views();

// A line about the daemon and its machine.
std::string headline(const SamplePair& samples);

}  // namespace inferd::ctl
