// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/trace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace inferd::telemetry {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{256} << 20;
constexpr std::string_view kEnd = "\n]\n";

// Trace events count in microseconds.
std::string microseconds(int64_t ns) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%" PRId64 ".%03d", ns / 1000,
                static_cast<int>(ns % 1000));
  return text.data();
}

std::string quoted(const std::string& text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Slices of one thread must not overlap unless one holds the other, and requests wait side by side:
// each waits on a line of its own among these.
int64_t waiting_line(uint64_t number) {
  constexpr int64_t kFirst = 1'000'000'000;  // beyond all threads
  constexpr uint64_t kLines = 64;
  return kFirst + static_cast<int64_t>(number % kLines);
}

struct Slice {
  const char* name;
  int64_t line, begin, end;
};

std::string slice(const Slice& slice, const std::string& arguments) {
  const int64_t duration = std::max<int64_t>(slice.end - slice.begin, 0);
  return std::string(R"({"ph":"X","cat":"request","pid":1,"name":")") + slice.name + R"(","tid":)" +
         std::to_string(slice.line) + R"(,"ts":)" + microseconds(slice.begin) + R"(,"dur":)" +
         microseconds(duration) + R"(,"args":)" + arguments + "},\n";
}

// An arrow from a slice that begins at `ns` (phase "s") to another ("f").
std::string flow(const char* phase, uint64_t number, int64_t line, int64_t ns) {
  return std::string(R"({"ph":")") + phase +
         R"(","bp":"e","cat":"request","pid":1,"name":"request","id":)" + std::to_string(number) +
         R"(,"tid":)" + std::to_string(line) + R"(,"ts":)" + microseconds(ns) + "},\n";
}

std::string arguments_of(const RequestTrace& trace, uint64_t number) {
  std::string text = R"({"trace":)" + std::to_string(number) + R"(,"model":)" +
                     quoted(trace.model) + R"(,"version":)" + std::to_string(trace.version) +
                     R"(,"batch_size":)" + std::to_string(trace.batch_size);
  if (!trace.request.empty()) text += R"(,"request_id":)" + quoted(trace.request);
  if (!trace.status.empty()) text += R"(,"status":)" + quoted(trace.status);
  return text + "}";
}

}  // namespace

std::string trace_events(const RequestTrace& trace, uint64_t number) {
  const std::string arguments = arguments_of(trace, number);
  const int64_t line = waiting_line(number);
  const int64_t thread = trace.thread;
  if (trace.batch_size == 0) {  // refused, or the cache had the answer
    return slice({"queue", line, trace.arrived, trace.answering}, arguments) +
           slice({"answer", thread, trace.answering, trace.answered}, arguments);
  }
  return slice({"queue", line, trace.arrived, trace.closed}, arguments) +
         flow("s", number, line, trace.arrived) +
         slice({"batch assembly", thread, trace.closed, trace.gathered}, arguments) +
         slice({"compute", thread, trace.gathered, trace.computed}, arguments) +
         flow("f", number, thread, trace.gathered) +
         slice({"answer", thread, trace.answering, trace.answered}, arguments);
}

Result<std::unique_ptr<TraceFiles>> TraceFiles::open(const std::string& folder) {
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0 || ::faccessat(opened, ".", W_OK, 0) != 0) {
    const std::string why = std::strerror(errno);
    if (opened >= 0) ::close(opened);
    return unavailable("cannot write traces to '" + folder + "': " + why);
  }
  return std::unique_ptr<TraceFiles>(new TraceFiles(opened));
}

TraceFiles::~TraceFiles() { ::close(folder_); }

uint64_t TraceFiles::write(std::span<const RequestTrace> traces) {
  uint64_t lost = 0;
  while (!traces.empty()) {
    const RequestTrace& first = traces.front();
    File& file = files_[first.file];
    const int64_t frequency = first.log_frequency;
    const int64_t part = frequency > 0 ? file.traces / frequency : 0;
    if (part != file.part || frequency != file.frequency) {
      file = {file.traces, frequency, part, file.taken, "", 0};
    }
    std::string events;
    size_t count = 0;
    // As many as go to the same file.
    while (count < traces.size() && traces[count].file == first.file &&
           traces[count].log_frequency == frequency) {
      events += trace_events(traces[count++], ++number_);
      if (frequency > 0 && (file.traces + static_cast<int64_t>(count)) % frequency == 0) break;
    }
    file.traces += static_cast<int64_t>(count);
    if (!append(first.file, file, events)) lost += count;
    traces = traces.subspan(count);
  }
  return lost;
}

// A new file for the current part, open, or -1.
int TraceFiles::make(const std::string& called, File& file) const {
  for (;; ++file.taken) {
    const int64_t number = file.part + file.taken;
    const bool numbered = file.frequency > 0 || number > 0;
    file.name = numbered ? called + "." + std::to_string(number) : called;
    const int opened = ::openat(folder_, file.name.c_str(),
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (opened >= 0) return opened;
    if (errno != EEXIST) {
      file.name.clear();
      return -1;
    }
  }
}

// Over the end of the list, and a new end behind it.
bool TraceFiles::append(const std::string& called, File& file, const std::string& events) {
  int opened = -1;
  if (!file.name.empty()) {
    opened = ::openat(folder_, file.name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (opened < 0 && errno != ENOENT) return false;
  }
  if (opened < 0) {  // the first of its part, or somebody took the file away
    file.end = 0;
    opened = make(called, file);
    if (opened < 0) return false;
  }
  const std::string text =
      (file.end == 0 ? "[\n" : ",\n") + events.substr(0, events.size() - 2) + std::string(kEnd);
  const bool fits = file.end + static_cast<int64_t>(text.size()) <= kMaxFileBytes;
  const ssize_t written = fits ? ::pwrite(opened, text.data(), text.size(), file.end) : -1;
  ::close(opened);
  if (written != static_cast<ssize_t>(text.size())) return false;
  file.end += written - static_cast<ssize_t>(kEnd.size());
  return true;
}

}  // namespace inferd::telemetry
