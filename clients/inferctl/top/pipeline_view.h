// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "clients/inferctl/top/sample.h"
#include "clients/inferctl/top/table.h"

namespace inferd::ctl {

// View::table and View::one of pipelines: of one its nodes, with their stages and sinks.
Table pipelines_table(const SamplePair& samples);
Table one_pipeline(const SamplePair& samples, const std::string& name);

}  // namespace inferd::ctl
