// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/journal.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
// Where in the sources an entry was made would be the same for all.
#define SD_JOURNAL_SUPPRESS_LOCATION 1
#include <systemd/sd-journal.h>

namespace inferd::telemetry {
namespace {

int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return LOG_DEBUG;
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kError:
      return LOG_ERR;
  }
  return LOG_INFO;
}

}  // namespace

bool is_journal(int fd, const char* stream) {
  struct stat info {};
  if (stream == nullptr || ::fstat(fd, &info) != 0) return false;
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) == stream;
}

std::vector<std::string> journal_entry(LogLevel level, std::string_view message,
                                       const About& about) {
  std::vector<std::string> entry = {"MESSAGE=" + std::string(message),
                                    "PRIORITY=" + std::to_string(priority_of(level)),
                                    "SYSLOG_IDENTIFIER=inferd"};
  if (!about.model.empty()) entry.push_back("MODEL=" + std::string(about.model));
  if (!about.pipeline.empty()) entry.push_back("PIPELINE=" + std::string(about.pipeline));
  return entry;
}

bool send_to_journal(const std::vector<std::string>& entry) {
  std::vector<iovec> fields;
  fields.reserve(entry.size());
  for (const std::string& field : entry)
    fields.push_back({const_cast<char*>(field.data()), field.size()});
  return sd_journal_sendv(fields.data(), static_cast<int>(fields.size())) == 0;
}

}  // namespace inferd::telemetry
