// SPDX-License-Identifier: Apache-2.0
//
// How the machine is at one moment, as far as it says so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/host/machine/cpu_clocks.h"
#include "daemon/host/machine/power.h"
#include "daemon/host/machine/pressure.h"
#include "daemon/host/machine/thermal.h"
#include "daemon/host/machine/throttling.h"
#include "daemon/host/memory.h"
#include "daemon/telemetry/metrics.h"

namespace inferd::host {

struct Machine {
  std::vector<ThermalZone> zones;
  std::vector<CpuClock> clocks;
  std::optional<Throttling> throttling;
  Pressure pressure;
  MemoryState memory;
  Power power;
};

// Reads some dozens of small files; what one of them should have said is left out where it cannot
// be read or makes no sense. A driver may take its time (a sensor behind a slow bus). `root` is put
// before all paths, for tests.
Machine read_machine(const std::string& root = "");

// inferd_host_*: only what is known.
void add_metrics(const Machine& machine, telemetry::MetricsPage& page);

}  // namespace inferd::host
