// SPDX-License-Identifier: Apache-2.0
//
// What models cost in memory and time until the first run. Each is loaded in a process of its own
// and gets one context.
//
//   memory MODEL...
//
// Prints a row of a Markdown table per model, in KiB: the file, the packed weights, the arena and
// the least it could be, the most that was resident while loading and what stays resident (both
// above an engine without a model, with the mapped pages of the file), the ratio of that peak to
// (file + 15 % + arena), and the milliseconds of loading (the file is in memory when it was read
// before).
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "inferd/engine/engine.h"

namespace inferd::bench {
namespace {

// A line of /proc/self/status in bytes: "VmHWM" (the most that was resident), "VmRSS".
int64_t status_bytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

// Makes the program's and its libraries' code resident, so that what a load runs for the first time
// does not count as memory of the model.
void touch_code() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char mode[5] = "";
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, mode) != 3) {
      continue;
    }
    if (mode[0] != 'r' || line.find(" /") == std::string::npos) continue;
    for (uintptr_t page = begin; page < end; page += 4096) {
      static_cast<void>(*reinterpret_cast<const volatile char*>(page));
    }
  }
}

Status measure(const std::string& path) {
  touch_code();
  EngineOptions options;
  options.threads = 1;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(options));
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
  const int64_t empty = status_bytes("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  INFERD_ASSIGN_OR_RETURN(const auto model, engine->load(path));
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const int64_t peak = status_bytes("VmHWM") - empty;
  const int64_t after = status_bytes("VmRSS") - empty;
  const MemoryUse use = context->memory();
  const auto file = static_cast<int64_t>(std::filesystem::file_size(path));
  const double goal = 1.15 * static_cast<double>(file) + static_cast<double>(use.arena_bytes);
  const auto kib = [](int64_t bytes) { return static_cast<long long>((bytes + 512) / 1024); };
  std::printf("| %-36s | %6lld | %6lld | %6lld | %6lld | %6lld | %6lld | %5.2f | %6.1f |\n",
              std::filesystem::path(path).stem().c_str(), kib(file), kib(use.weights_bytes),
              kib(use.arena_bytes), kib(use.arena_lower_bound), kib(peak), kib(after),
              static_cast<double>(peak) / goal, ms);
  return ok_status();
}

// A process for one model, so that nothing of the others' memory is counted.
bool measure_apart(const std::string& path) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const Status status = measure(path);
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
    std::fflush(stdout);
    _exit(status.ok() ? 0 : 1);
  }
  int result = 0;
  return child > 0 && waitpid(child, &result, 0) == child && result == 0;
}

}  // namespace
}  // namespace inferd::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: memory MODEL...\n");
    return 2;
  }
  std::printf(
      "| model | file | packed weights | arena | lower bound | peak | after | peak / goal | ms "
      "|\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  bool ok = true;
  for (int i = 1; i < argc; ++i) ok &= inferd::bench::measure_apart(argv[i]);
  return ok ? 0 : 1;
}
