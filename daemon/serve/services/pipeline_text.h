// SPDX-License-Identifier: Apache-2.0
//
// The file that a pipeline stands in, for those who edit it from afar. Any thread; all may block.
#pragma once

#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::serve {

// What an editor compares: another text has another one.
std::string revision_of(std::string_view text);

// FAILED_PRECONDITION when it cannot be read, or is larger than a pipeline's file may be.
Result<std::string> read_pipeline_text(const std::string& path);

// Whether the daemon could put another file in its place. FAILED_PRECONDITION says why not, and
// what to do about it.
Status check_writable(const std::string& path);

// Puts `text` there, at once and durably; permissions stay. A link stays one: what it points to is
// replaced. FAILED_PRECONDITION where the text that is there has another revision than `revision`
// (empty: any), and as check_writable(); RESOURCE_EXHAUSTED when the disk is full.
Status replace_pipeline_text(const std::string& path, const std::string& text,
                             const std::string& revision);

}  // namespace inferd::serve
