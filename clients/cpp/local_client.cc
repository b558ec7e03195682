// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_client.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>

#include "clients/c/inferd_local.h"

namespace inferd {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxBound = 32;                // models of one connection
constexpr size_t kMostBytes = size_t{1} << 32;  // of one request

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

Status status_of(const inferd_error& error) {
  return {static_cast<StatusCode>(error.code), error.message};
}

Status unknown(const char* what) {
  return unimplemented(std::string("the local socket only runs models; ask for ") + what +
                       " at the daemon's gRPC endpoint");
}

TensorInfo tensor_info(const inferd_tensor& tensor) {
  TensorInfo info;
  info.name = tensor.name;
  info.dtype = static_cast<DType>(tensor.type);  // the same numbers
  for (uint32_t d = 0; d < tensor.rank; ++d) info.shape.push_back(tensor.shape[d]);
  return info;
}

// Room that an output will need, as far as that is known before.
size_t expected_bytes(const TensorInfo& output, int64_t batch) {
  Shape shape = output.shape;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] == kDynamicDim) shape[d] = d == 0 ? std::max<int64_t>(batch, 1) : 1;
  }
  const auto bytes = checked_bytes(output.dtype, shape);
  return bytes.ok() ? static_cast<size_t>(*bytes) : kMostBytes;
}

// How long a request may take: its sender waits no longer, and the daemon does not begin later.
struct TimeLimit {
  explicit TimeLimit(int milliseconds)
      : timeout_ms(milliseconds),
        deadline_ns(milliseconds < 0 ? 0 : now_ns() + int64_t{1'000'000} * milliseconds) {}

  const int timeout_ms;       // -1: for ever
  const int64_t deadline_ns;  // CLOCK_MONOTONIC; 0: none

 private:
  static int64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }
};

int milliseconds(int64_t timeout_ms) {
  return static_cast<int>(std::clamp<int64_t>(timeout_ms, -1, INT32_MAX));
}

Result<int64_t> parse_version(const std::string& text) {
  int64_t version = 0;
  if (text.empty()) return version;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, version);
  if (error == std::errc() && stopped == end && version >= 1) return version;
  return invalid_argument("model version '" + text + "' is not a positive number");
}

// A bound model.
struct Bound {
  const inferd_model* handle = nullptr;
  std::vector<TensorInfo> inputs, outputs;
};

// Which of the model's outputs a request asks for.
Result<std::vector<bool>> wanted_outputs(const Bound& model, const InferOptions& options) {
  std::vector<bool> wanted(model.outputs.size(), options.outputs.empty());
  for (const std::string& name : options.outputs) {
    const auto found = std::ranges::find(model.outputs, name, &TensorInfo::name);
    if (found == model.outputs.end())
      return invalid_argument("the model has no output '" + name + "'");
    wanted[static_cast<size_t>(found - model.outputs.begin())] = true;
  }
  return wanted;
}

// A connection with the models that were asked for and memory for one request. Belongs to one
// thread at a time.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(const std::string& path) {
    inferd_local* connection = nullptr;
    inferd_error error;
    if (inferd_local_connect(path.c_str(), &connection, &error) != 0) return status_of(error);
    return std::unique_ptr<Session>(new Session(connection));
  }
  ~Session() { inferd_local_close(connection_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool is_connected() const { return inferd_local_is_connected(connection_) != 0; }
  // False after a request that was given up: the daemon may write to its outputs yet.
  bool is_reusable() const { return is_connected() && !gave_up_; }
  std::string version() const { return inferd_local_version(connection_); }

  Result<const Bound*> bind(const std::string& name, int64_t version) {
    const std::pair key(name, version);
    if (const auto found = bound_.find(key); found != bound_.end()) return &found->second;
    while (bound_.size() >= kMaxBound) INFERD_RETURN_IF_ERROR(unbind(bound_.begin()));
    Bound bound;
    inferd_error error;
    if (inferd_local_bind(connection_, name.c_str(), version, &bound.handle, &error) != 0)
      return status_of(error);
    for (size_t i = 0; i < bound.handle->input_count; ++i)
      bound.inputs.push_back(tensor_info(bound.handle->inputs[i]));
    for (size_t i = 0; i < bound.handle->output_count; ++i)
      bound.outputs.push_back(tensor_info(bound.handle->outputs[i]));
    return &bound_.emplace(key, std::move(bound)).first->second;
  }

  // The next bind() asks the daemon again.
  Status unbind(const std::string& name, int64_t version) {
    const auto found = bound_.find({name, version});
    return found == bound_.end() ? ok_status() : unbind(found);
  }

  // False: there is no model with this index.
  Result<bool> list(uint32_t index, ServedModelInfo& info) {
    static constexpr const char* kStates[] = {"LOADING", "READY", "UNAVAILABLE"};
    inferd_listing listing;
    inferd_error error;
    uint32_t count = 0;
    const int code = inferd_local_list(connection_, index, &listing, &count, &error);
    if (code == INFERD_OUT_OF_RANGE) return false;
    if (code != 0) return status_of(error);
    info.name = listing.name;
    info.version = std::to_string(listing.version);
    info.state = kStates[std::clamp(listing.state, 0, 2)];
    info.reason = listing.reason;
    return true;
  }

  // `inputs` in the model's order.
  Result<std::vector<NamedResult>> run(const Bound& model, std::span<const TensorView> inputs,
                                       const InferOptions& options, const TimeLimit& limit) {
    INFERD_ASSIGN_OR_RETURN(const std::vector<bool> wanted, wanted_outputs(model, options));
    const bool batched = !inputs.empty() && inputs[0].shape.rank() > 0;
    std::vector<size_t> room;
    for (const TensorInfo& output : model.outputs)
      room.push_back(expected_bytes(output, batched ? inputs[0].shape[0] : 1));
    for (;;) {
      auto results = run_with(model, inputs, room, wanted, options.priority, limit);
      // How large some outputs are is known only when they are there.
      const bool too_small = results.status().code() == StatusCode::kOutOfRange;
      size_t all = 0;
      for (const size_t bytes : room) all += bytes;
      if (!too_small || all > kMostBytes / 4) return results;
      for (size_t& bytes : room) bytes = std::max<size_t>(bytes * 4, 4096);
    }
  }

 private:
  using Models = std::map<std::pair<std::string, int64_t>, Bound>;

  explicit Session(inferd_local* connection) : connection_(connection) {}

  Status unbind(Models::iterator at) {
    inferd_error error;
    const int code = inferd_local_unbind(connection_, at->second.handle, &error);
    bound_.erase(at);
    return code == 0 ? ok_status() : status_of(error);
  }

  Status make_room(size_t bytes) {
    if (memory_.bytes >= bytes && memory_.data != nullptr) return ok_status();
    inferd_error error;
    if (memory_.data != nullptr && inferd_local_unmap(connection_, &memory_, &error) != 0)
      return status_of(error);
    if (inferd_local_map(connection_, std::max<size_t>(bytes, 1), &memory_, &error) != 0)
      return status_of(error);
    return ok_status();
  }

  // A place in the buffer behind what has one already.
  inferd_place place(size_t bytes, size_t& used) const {
    inferd_place place{};
    place.buffer = memory_.number;
    place.offset = used;
    place.bytes = bytes;
    used += aligned(bytes);
    return place;
  }

  std::byte* at(const inferd_place& place) const {
    return static_cast<std::byte*>(memory_.data) + place.offset;
  }

  Result<std::vector<NamedResult>> run_with(const Bound& model, std::span<const TensorView> inputs,
                                            std::span<const size_t> room,
                                            const std::vector<bool>& wanted, int priority,
                                            const TimeLimit& limit) {
    size_t bytes = 0;
    for (const TensorView& input : inputs) bytes += aligned(input.data.size());
    for (const size_t output : room) bytes += aligned(output);
    INFERD_RETURN_IF_ERROR(make_room(bytes));

    size_t used = 0;
    places_.clear();
    for (const TensorView& input : inputs) {
      inferd_place& p = places_.emplace_back(place(input.data.size(), used));
      std::copy(input.data.begin(), input.data.end(), at(p));
      p.has_shape = 1;
      p.rank = static_cast<uint32_t>(input.shape.rank());
      std::copy(input.shape.begin(), input.shape.end(), p.shape);
    }
    for (size_t i = 0; i < room.size(); ++i) {
      inferd_place nowhere{};
      nowhere.buffer = INFERD_NOWHERE;
      places_.push_back(wanted[i] ? place(room[i], used) : nowhere);
    }

    inferd_request request{};
    request.model = model.handle;
    request.inputs = places_.data();
    request.outputs = places_.data() + inputs.size();
    request.priority = static_cast<uint32_t>(std::max(priority, 0));
    request.deadline_ns = limit.deadline_ns;
    inferd_answer answer{};
    inferd_error error;
    if (inferd_local_infer(connection_, &request, limit.timeout_ms, &answer, &error) != 0) {
      // What the daemon itself refused is not on its way any more.
      gave_up_ = error.code == INFERD_DEADLINE_EXCEEDED && answer.code == INFERD_OK;
      return status_of(error);
    }
    return results_of(model, answer, request.outputs, wanted);
  }

  std::vector<NamedResult> results_of(const Bound& model, const inferd_answer& answer,
                                      const inferd_place* places,
                                      const std::vector<bool>& wanted) const {
    std::vector<NamedResult> results;
    for (size_t i = 0; i < answer.output_count; ++i) {
      if (!wanted[i]) continue;
      const inferd_result& output = answer.outputs[i];
      NamedResult& result = results.emplace_back();
      result.name = model.outputs[i].name;
      result.dtype = model.outputs[i].dtype;
      result.shape = Shape(std::span(output.shape, output.rank));
      const std::byte* data = at(places[i]);
      result.data.assign(data, data + output.bytes);
    }
    return results;
  }

  inferd_local* const connection_;
  Models bound_;
  inferd_buffer memory_{};
  std::vector<inferd_place> places_;
  bool gave_up_ = false;
};

// The tensors in the order of the model's inputs.
Result<std::vector<TensorView>> in_order(const Bound& model,
                                         const std::vector<NamedTensor>& inputs) {
  std::vector<TensorView> views;
  for (const TensorInfo& expected : model.inputs) {
    const auto given = std::ranges::find(inputs, expected.name, &NamedTensor::name);
    if (given == inputs.end()) return invalid_argument("input '" + expected.name + "' is missing");
    if (given->tensor.dtype != expected.dtype) {
      return invalid_argument("input '" + expected.name + "' is " +
                              std::string(dtype_name(given->tensor.dtype)) + ", the model takes " +
                              std::string(dtype_name(expected.dtype)));
    }
    views.push_back(given->tensor);
  }
  if (inputs.size() == views.size()) return views;
  return invalid_argument("the request has " + std::to_string(inputs.size()) +
                          " inputs, the model has " + std::to_string(views.size()));
}

class LocalClient final : public Client {
 public:
  LocalClient(std::string path, int64_t timeout_ms)
      : path_(std::move(path)), timeout_ms_(milliseconds(timeout_ms)) {}

  Result<ServerInfo> server() override {
    INFERD_ASSIGN_OR_RETURN(const auto list, listing());
    const bool ready = std::ranges::all_of(
        list, [](const ServedModelInfo& model) { return model.state == "READY"; });
    return with_session<ServerInfo>([&](Session& session) -> Result<ServerInfo> {
      return ServerInfo{"inferd", session.version(), ready};
    });
  }

  Result<bool> healthy() override {
    INFERD_RETURN_IF_ERROR(listing().status());
    return true;
  }

  Result<std::vector<ServedModelInfo>> models() override {
    INFERD_ASSIGN_OR_RETURN(auto list, listing());
    for (ServedModelInfo& info : list) {
      if (info.state != "READY") continue;
      INFERD_ASSIGN_OR_RETURN(ServedModelInfo described, model(info.name));
      info.inputs = std::move(described.inputs);
      info.outputs = std::move(described.outputs);
    }
    return list;
  }

  Result<ServedModelInfo> model(const std::string& name) override {
    return with_session<ServedModelInfo>([&](Session& session) -> Result<ServedModelInfo> {
      INFERD_RETURN_IF_ERROR(session.unbind(name, 0));  // the newest may be another one now
      INFERD_ASSIGN_OR_RETURN(const Bound* bound, session.bind(name, 0));
      ServedModelInfo info;
      info.name = name;
      info.version = std::to_string(bound->handle->version);
      info.state = "READY";
      info.inputs = bound->inputs;
      info.outputs = bound->outputs;
      return info;
    });
  }

  Result<std::vector<NamedResult>> infer(const std::string& model,
                                         const std::vector<NamedTensor>& inputs,
                                         const InferOptions& options) override {
    INFERD_ASSIGN_OR_RETURN(const int64_t number, parse_version(options.version));
    const TimeLimit limit(options.timeout_ms > 0 ? milliseconds(options.timeout_ms) : timeout_ms_);
    using Results = std::vector<NamedResult>;
    const auto once = [&](Session& session) -> Result<Results> {
      INFERD_ASSIGN_OR_RETURN(const Bound* bound, session.bind(model, number));
      INFERD_ASSIGN_OR_RETURN(const auto views, in_order(*bound, inputs));
      return session.run(*bound, views, options, limit);
    };
    return with_session<Results>([&](Session& session) -> Result<Results> {
      auto results = once(session);
      const bool unloaded = results.status().code() == StatusCode::kUnavailable;
      if (!unloaded || !session.is_connected()) return results;
      INFERD_RETURN_IF_ERROR(session.unbind(model, number));  // another version may have come
      return once(session);
    });
  }

  void infer_async(const std::string&, const std::vector<NamedTensor>&, const InferOptions&,
                   InferDone done) override {
    done(unknown("asynchronous calls"));
  }

  Result<std::vector<ServedModelStatistics>> statistics() override { return unknown("statistics"); }
  Result<std::vector<PipelineInfo>> pipelines() override { return unknown("pipelines"); }
  Status watch(const std::string&, const std::function<bool(const WatchedFrame&)>&) override {
    return unknown("pipelines");
  }

 private:
  // Calls with a session that nobody else uses, and once more with a new one when that was kept
  // from earlier and the daemon has gone meanwhile.
  template <typename T, typename Call>
  Result<T> with_session(const Call& call) {
    if (auto session = take_idle()) {
      Result<T> result = call(*session);
      const bool answered = session->is_connected();
      keep(std::move(session));
      if (answered) return result;
    }
    INFERD_ASSIGN_OR_RETURN(auto session, Session::open(path_));
    Result<T> result = call(*session);
    keep(std::move(session));
    return result;
  }

  std::unique_ptr<Session> take_idle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    auto session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }

  void keep(std::unique_ptr<Session> session) {
    if (!session->is_reusable()) return;
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(session));
  }

  Result<std::vector<ServedModelInfo>> listing() {
    using List = std::vector<ServedModelInfo>;
    return with_session<List>([&](Session& session) -> Result<List> {
      List list;
      for (;;) {
        ServedModelInfo info;
        INFERD_ASSIGN_OR_RETURN(const bool found,
                                session.list(static_cast<uint32_t>(list.size()), info));
        if (!found) return list;
        list.push_back(std::move(info));
      }
    });
  }

  const std::string path_;
  const int timeout_ms_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;  // by mutex_
};

}  // namespace

std::unique_ptr<Client> connect_local(const std::string& path, int64_t timeout_ms) {
  return std::make_unique<LocalClient>(path, timeout_ms);
}

}  // namespace inferd
