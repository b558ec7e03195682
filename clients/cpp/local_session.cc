// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_session.h"

namespace inferd {

Result<std::unique_ptr<LocalSession>> LocalSession::open(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(auto connection, LocalConnection::open(path));
  return std::unique_ptr<LocalSession>(new LocalSession(std::move(connection)));
}

Status LocalSession::make_room(size_t bytes) {
  if (memory_.bytes >= bytes && memory_.data != nullptr) return ok_status();
  if (memory_.data != nullptr) INFERD_RETURN_IF_ERROR(connection_->unmap(memory_));
  INFERD_ASSIGN_OR_RETURN(memory_, connection_->map(bytes));
  return ok_status();
}

Result<std::vector<NamedResult>> LocalSession::run(const std::shared_ptr<const BoundModel>& model,
                                                   const std::vector<NamedTensor>& inputs,
                                                   const InferOptions& options,
                                                   const TimeLimit& limit) {
  INFERD_ASSIGN_OR_RETURN(RequestLayout layout,
                          RequestLayout::plan(model, inputs, options.outputs));
  for (;;) {
    auto results = run(layout, inputs, options, limit);
    // A sequence has made its step even where an output does not fit.
    const bool again =
        results.status().code() == StatusCode::kOutOfRange && options.sequence.id == 0;
    if (!again || !layout.grow()) return results;
  }
}

Result<std::vector<NamedResult>> LocalSession::run(RequestLayout& layout,
                                                   const std::vector<NamedTensor>& inputs,
                                                   const InferOptions& options,
                                                   const TimeLimit& limit) {
  INFERD_RETURN_IF_ERROR(make_room(layout.bytes()));
  layout.put_inputs(inputs, memory_);
  const inferd_request request = layout.request(options, limit);
  inferd_answer answer{};
  inferd_error error;
  if (inferd_local_infer(connection_->get(), &request, limit.timeout_ms, &answer, &error) != 0) {
    // What the daemon itself refused is not on its way any more.
    gave_up_ = error.code == INFERD_DEADLINE_EXCEEDED && answer.code == INFERD_OK;
    return status_of(error);
  }
  return layout.results(answer, memory_);
}

}  // namespace inferd
