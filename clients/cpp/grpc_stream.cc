// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/grpc_stream.h"

#include <charconv>
#include <utility>

#include "clients/cpp/grpc_messages.h"

namespace inferd {
namespace {

bool flag_of(const inference::ModelInferResponse& response, const char* name, bool otherwise) {
  const auto found = response.parameters().find(name);
  return found == response.parameters().end() ? otherwise : found->second.bool_param();
}

StreamAnswer answer_of(const inference::ModelStreamInferResponse& message) {
  const inference::ModelInferResponse& response = message.infer_response();
  StreamAnswer answer;
  const std::string& id = response.id();
  std::from_chars(id.data(), id.data() + id.size(), answer.request);
  // Servers that do not know decoupled models do not say which answer is the last.
  answer.is_last = flag_of(response, "triton_final_response", true);
  if (!message.error_message().empty()) {
    answer.status = Status(StatusCode::kUnknown, message.error_message());
    return answer;
  }
  auto outputs = infer_results(response);
  answer.status = outputs.status();
  if (outputs.ok()) answer.outputs = std::move(outputs).value();
  return answer;
}

}  // namespace

GrpcStream::GrpcStream(inference::GRPCInferenceService::Stub& stub, const StreamOptions& options,
                       int64_t timeout_ms,
                       const std::function<void(grpc::ClientContext&)>& authorize,
                       std::function<Status(const grpc::Status&)> ended)
    : ended_(std::move(ended)), answers_(options.max_in_flight, timeout_ms) {
  authorize(context_);
  stub.async()->ModelStreamInfer(&context_, this);
  AddHold();  // until let_go(): reads and writes are started from outside of gRPC's calls, too
  const std::lock_guard lock(mutex_);
  read();
  StartCall();
}

GrpcStream::~GrpcStream() {
  context_.TryCancel();
  let_go();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
}

Result<uint64_t> GrpcStream::send(const std::string& model, const std::vector<NamedTensor>& inputs,
                                  const InferOptions& options) {
  inference::ModelInferRequest request = infer_request(model, inputs, options);
  auto& parameters = *request.mutable_parameters();
  // A last answer also for models that give none of their own, as others may do.
  parameters["triton_enable_empty_final_response"].set_bool_param(true);
  if (options.timeout_ms > 0) parameters["timeout"].set_int64_param(options.timeout_ms * 1000);
  INFERD_ASSIGN_OR_RETURN(const uint64_t number, answers_.begin(options.timeout_ms));
  request.set_id(std::to_string(number));
  const std::lock_guard lock(mutex_);
  requests_.push_back(std::move(request));
  write();
  return number;
}

Result<StreamAnswer> GrpcStream::receive(int64_t timeout_ms) {
  auto answer = answers_.receive(timeout_ms);
  const std::lock_guard lock(mutex_);
  read();
  return answer;
}

void GrpcStream::finish() {
  answers_.finish();
  const std::lock_guard lock(mutex_);
  finished_ = true;
  write();
}

void GrpcStream::read() {
  if (!held_ || reading_ || answers_.is_full()) return;
  reading_ = true;
  StartRead(&arriving_);
}

void GrpcStream::write() {
  if (!held_ || writing_) return;
  if (!requests_.empty()) {
    writing_ = true;
    StartWrite(&requests_.front());
  } else if (finished_ && !said_finished_) {
    said_finished_ = true;
    StartWritesDone();
  }
}

void GrpcStream::OnReadDone(bool ok) {
  if (!ok) return let_go();  // how it ended comes with OnDone
  StreamAnswer answer = answer_of(arriving_);
  answers_.put(std::move(answer));
  const std::lock_guard lock(mutex_);
  reading_ = false;
  read();
}

void GrpcStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  requests_.pop_front();
  if (ok) write();
}

void GrpcStream::let_go() {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(held_, false)) return;
  }
  RemoveHold();
}

void GrpcStream::OnDone(const grpc::Status& status) {
  const Status why = ended_(status);
  answers_.end(why.ok() ? unavailable("the daemon has ended the stream") : why);
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();  // with the lock: this may be gone after it
}

}  // namespace inferd
