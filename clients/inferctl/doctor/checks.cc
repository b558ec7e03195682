// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/doctor/check.h"

namespace inferd::ctl {

const std::vector<Check> kChecks = {
    {"daemon", examine_daemon},
    {"socket", examine_socket},
    {"configuration", examine_configuration},
    {"ports", examine_ports},
    {"models", examine_models},
    {"processor", examine_processor},
    {"memory", examine_memory},
    {"heat", examine_heat},
    {"clock", examine_clock},
    {"devices", examine_devices},
};

}  // namespace inferd::ctl
