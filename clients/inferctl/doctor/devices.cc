// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "clients/inferctl/doctor/check.h"
#include "clients/inferctl/doctor/files.h"

namespace inferd::ctl {
namespace {

struct Kind {
  const char* folder;
  const char* prefix;
  const char* what;
};

constexpr Kind kKinds[] = {
    {"/dev", "video", "camera or codec"},
    {"/dev", "media", "media controller"},
    {"/dev/dma_heap", "", "memory for cameras"},
    {"/dev/snd", "pcm", "sound device"},
    {"/dev", "gpiochip", "pins"},
    {"/dev", "iio:device", "sensor"},
    {"/dev", "ttyUSB", "serial line"},
    {"/dev", "ttyACM", "serial line"},
};

}  // namespace

void examine_devices(const Patient& patient, Findings& findings) {
  const auto user = find_user(patient.root, patient.user);
  if (!user) {
    findings.push_back({Level::kWarning,
                        "there is no user " + patient.user + ", as whom the service runs",
                        "sudo systemd-sysusers, or install the package"});
    return;
  }
  for (const Kind& kind : kKinds) {
    for (const std::string& path : entries(patient.root + kind.folder, kind.prefix)) {
      const std::string name = path.substr(patient.root.size()) + " (" + kind.what + ")";
      if (may_use(*user, path)) {
        findings.push_back({Level::kOk, name, ""});
        continue;
      }
      struct stat status {};
      const bool by_group = ::stat(path.c_str(), &status) == 0 && status.st_gid != 0 &&
                            (status.st_mode & S_IWGRP) != 0;
      findings.push_back({Level::kWarning, patient.user + " may not use " + name,
                          by_group ? "sudo usermod -aG " + group_name(patient.root, status.st_gid) +
                                         " " + patient.user + " && sudo systemctl restart inferd"
                                   : "a udev rule that gives it to a group, see docs/service.md"});
    }
  }
  if (findings.empty())
    findings.push_back({Level::kOk, "no camera, microphone, pin or sensor is there", ""});
}

}  // namespace inferd::ctl
