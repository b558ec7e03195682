// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/telemetry/log.h"

namespace inferd::telemetry {

// Whether this descriptor is the stream that systemd connected to the journal; `stream` is what
// $JOURNAL_STREAM says of it, "DEVICE:INODE", or null.
bool is_journal(int fd, const char* stream);

// The fields of an entry, "NAME=value" (systemd.journal-fields(7)).
std::vector<std::string> journal_entry(LogLevel level, std::string_view message,
                                       const About& about);

// False: the journal did not take it.
bool send_to_journal(const std::vector<std::string>& entry);

}  // namespace inferd::telemetry
