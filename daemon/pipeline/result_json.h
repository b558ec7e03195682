// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// A result as all sinks write it: one JSON object in one line, without a newline, as UTF-8 (what is
// not UTF-8 becomes U+FFFD). `detections` is always there; what else a result may lack is left out
// where it lacks it. Numbers are the shortest that read back as the same; NaN and infinite ones are
// null. docs/pipelines.md describes the keys.
void append_json(const FrameResult& result, std::string& out);

// Only its list of detections.
void append_json(const std::vector<Detection>& detections, std::string& out);

// `text` in quotes.
void append_json_text(const std::string& text, std::string& out);

}  // namespace inferd::pipeline
