// SPDX-License-Identifier: Apache-2.0
//
// What pipelines see, for pages that draw the results themselves: pictures as JPEG, each with what
// is said of it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/http/call_threads.h"
#include "daemon/serve/http/message.h"

namespace inferd::serve {

class LiveView;

// While somebody looks at a node, a thread encodes its frames, once for all who look; nobody costs
// nothing. A slow viewer gets fewer. Thread-safe.
class LiveViews {
 public:
  static constexpr int kMaxViews = 8;     // that are looked at, of pipelines and their nodes
  static constexpr int kMaxViewers = 32;  // of all of them
  static constexpr double kMostFps = 60;

  explicit LiveViews(pipeline::Pipelines& pipelines);
  ~LiveViews();  // ends all views; streams must have gone

  // Records from now on, one a frame, `max_fps` a second at most: 4 bytes with a length (the
  // largest first), a FrameResult in JSON of that length, 4 bytes, a JPEG of that length (0: the
  // frame is no picture). Ends with the pipeline. `node`: as SnapshotOptions has it. NOT_FOUND: no
  // such pipeline. FAILED_PRECONDITION: it does not run. RESOURCE_EXHAUSTED: too many look.
  Result<Stream> open(const std::string& pipeline, const std::string& node, double max_fps);

 private:
  pipeline::Pipelines& pipelines_;
  std::mutex mutex_;
  int viewers_ = 0;  // by mutex_
  bool stopping_ = false;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<LiveView>> views_;  // by mutex_
  CallThreads threads_{kMaxViews};  // last: it uses the others
};

}  // namespace inferd::serve
