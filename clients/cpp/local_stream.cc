// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_stream.h"

#include <utility>

namespace inferd {

Result<uint64_t> LocalStream::send(const std::string& model, const std::vector<NamedTensor>& inputs,
                                   const InferOptions& options) {
  INFERD_ASSIGN_OR_RETURN(const size_t most, in_flight_.max_in_flight());
  INFERD_ASSIGN_OR_RETURN(const uint64_t number, answers_.begin(options.timeout_ms, most));
  const TimeLimit limit(options.timeout_ms > 0 ? options.timeout_ms : timeout_ms_);
  in_flight_.start(model, inputs, options, limit, [this, number](auto results) {
    StreamAnswer answer{number, results.status(), {}, true};
    if (results.ok()) answer.outputs = std::move(results).value();
    answers_.put(std::move(answer));
  });
  return number;
}

}  // namespace inferd
