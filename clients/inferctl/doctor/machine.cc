// SPDX-License-Identifier: Apache-2.0
//
// Formats: proc(5); /sys of the kernel's Documentation/ABI and admin-guide (thermal, cpufreq,
// cgroup-v2, psi); the bits of get_throttled: the documentation of Raspberry Pi's vcgencmd.
#include <sys/timex.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

#include "clients/inferctl/doctor/check.h"
#include "clients/inferctl/doctor/files.h"
#include "inferd/engine/engine.h"

namespace inferd::ctl {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kLittleMemoryKiB = 64 * kKiB;
// Most processors slow down at 80 to 85 degrees.
constexpr int64_t kHotMillidegrees = 75'000;

std::string megabytes(int64_t kib) { return std::to_string(kib / kKiB) + " MB"; }

// The number after `key` at the beginning of a line.
int64_t number_after(const std::string& path, const std::string& key) {
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string word;
    int64_t number = 0;
    if (words >> word >> number && word == key) return number;
  }
  return 0;
}

}  // namespace

void examine_processor(const Patient& patient, Findings& findings) {
  EngineOptions options;
  options.threads = 1;
  const auto engine = Engine::create(options);
  if (!engine.ok()) {
    findings.push_back(
        {Level::kError, "the engine does not start: " + engine.status().message(), ""});
    return;
  }
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  findings.push_back({Level::kOk,
                      std::to_string(cores) + (cores == 1 ? " core, " : " cores, ") +
                          "best instruction set " + std::string((*engine)->isa()),
                      ""});
  for (const std::string& policy :
       entries(patient.root + "/sys/devices/system/cpu/cpufreq", "policy")) {
    if (first_line(policy + "/scaling_governor") == "powersave") {
      findings.push_back({Level::kWarning,
                          "the processor is kept slow: the governor of " + policy + " is powersave",
                          "echo schedutil | sudo tee " + policy + "/scaling_governor"});
    }
  }
}

void examine_memory(const Patient& patient, Findings& findings) {
  const std::string info = patient.root + "/proc/meminfo";
  const int64_t total = number_after(info, "MemTotal:"),
                available = number_after(info, "MemAvailable:");
  findings.push_back(
      {available < kLittleMemoryKiB ? Level::kWarning : Level::kOk,
       megabytes(available) + " of " + megabytes(total) + " are available",
       available < kLittleMemoryKiB
           ? "end other programs, or let models sleep: models: memory: in the configuration"
           : ""});
  const auto controllers = first_line(patient.root + "/sys/fs/cgroup/cgroup.controllers");
  if (controllers && controllers->find("memory") == std::string::npos) {
    findings.push_back(
        {Level::kWarning,
         "the kernel does not limit the memory of services, so MemoryHigh= has no effect",
         "add cgroup_enable=memory to the kernel's command line (Raspberry Pi OS: "
         "/boot/firmware/cmdline.txt) and restart"});
  }
  if (!first_line(patient.root + "/proc/pressure/memory")) {
    findings.push_back({Level::kWarning,
                        "the kernel does not tell when memory is short, so models are put to sleep "
                        "later than they could be",
                        "add psi=1 to the kernel's command line and restart"});
  }
}

void examine_heat(const Patient& patient, Findings& findings) {
  for (const std::string& zone : entries(patient.root + "/sys/class/thermal", "thermal_zone")) {
    const auto temperature = number_in(zone + "/temp");
    if (!temperature) continue;
    const bool hot = *temperature >= kHotMillidegrees;
    findings.push_back({hot ? Level::kWarning : Level::kOk,
                        first_line(zone + "/type").value_or(zone) + ": " +
                            std::to_string(*temperature / 1000) + " degrees",
                        hot ? "cool it, or it will be slowed down" : ""});
  }
  const auto throttled =
      first_line(patient.root + "/sys/devices/platform/soc/soc:firmware/get_throttled");
  if (!throttled) return;
  unsigned bits = 0;
  if (!(std::istringstream(*throttled) >> std::hex >> bits)) return;
  constexpr unsigned kUnderVoltage = 0x1, kSlowed = 0x2 | 0x4 | 0x8, kWas = 16;
  if (bits & (kUnderVoltage | kUnderVoltage << kWas)) {
    findings.push_back({Level::kWarning,
                        bits & kUnderVoltage ? "the supply's voltage is too low"
                                             : "the supply's voltage was too low since the start",
                        "use a stronger power supply or a shorter cable"});
  }
  if (bits & (kSlowed | kSlowed << kWas)) {
    findings.push_back({Level::kWarning,
                        bits & kSlowed ? "the processor is slowed down now"
                                       : "the processor was slowed down since the start",
                        "cool it, and look at its power supply"});
  }
}

void examine_clock(const Patient& patient, Findings& findings) {
  (void)patient;
  constexpr time_t kBuilt = 1'767'225'600;  // 2026: no machine that has this program is older
  timex state{};
  const bool synchronized = ::adjtimex(&state) != -1 && (state.status & STA_UNSYNC) == 0;
  if (std::time(nullptr) < kBuilt) {
    findings.push_back(
        {Level::kError,
         "the clock is years behind: signed packages will be refused as made in the future",
         "sudo timedatectl set-ntp true, or set it with date"});
  } else if (!synchronized) {
    findings.push_back(
        {Level::kWarning, "nothing keeps the clock right", "sudo timedatectl set-ntp true"});
  } else {
    findings.push_back({Level::kOk, "the clock is kept right", ""});
  }
}

}  // namespace inferd::ctl
