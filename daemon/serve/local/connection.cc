// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/local/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/models/interface.h"

namespace inferd::serve::local {
namespace {

constexpr int kFramesInTurn = 64;  // before other connections have theirs
constexpr uint32_t kMaxBindings = 64;
constexpr size_t kMaxDescriptors = 8;  // taken from one frame in order to be closed

Status out_of_numbers(const char* what, uint32_t given, uint64_t limit) {
  return out_of_range(std::string(what) + " " + std::to_string(given) + ": the largest number is " +
                      std::to_string(limit - 1));
}

uint16_t state_number(models::ModelState state) {
  switch (state) {
    case models::ModelState::kLoading:
      return 0;
    case models::ModelState::kReady:
      return 1;
    case models::ModelState::kFailed:
    case models::ModelState::kUnloaded:
      break;
  }
  return 2;
}

size_t tensor_bytes(const TensorInfo& tensor) {
  return 16 + static_cast<size_t>(tensor.shape.rank()) * 8 + tensor.name.size();
}

void write_tensor(const TensorInfo& tensor, FrameWriter& writer) {
  writer.u8(static_cast<uint8_t>(tensor.dtype));
  writer.u8(static_cast<uint8_t>(tensor.shape.rank()));
  writer.u16(static_cast<uint16_t>(tensor.name.size()));
  writer.u32(0);
  for (const int64_t dim : tensor.shape) writer.i64(dim);
  writer.text(tensor.name);
  writer.pad_to_8();
}

}  // namespace

Connection::Connection(Descriptor socket, uint64_t token, Peer::Process process, Roles roles,
                       std::shared_ptr<Shared> shared)
    : socket_(std::move(socket)),
      token_(token),
      caller_(std::move(process)),
      roles_(roles),
      shared_(std::move(shared)) {}

Connection::~Connection() { shared_->users->remove_connection(caller_.user()); }

std::optional<Ready> Connection::receive(std::span<std::byte> buffer) {
  std::optional<Ready> ready;
  // Nobody waits for another thread that receives here: that one will look once more.
  if (arrivals_.fetch_add(1) > 0) return ready;
  for (int left = kFramesInTurn;;) {
    uint32_t seen = arrivals_.load();
    while (left > 0 && receive_one(buffer, ready)) --left;
    if (left == 0) {
      // Others have their turn, then what is left here.
      arrivals_.store(0);
      const std::lock_guard lock(answer_mutex_);
      watch_again();
      return ready;
    }
    if (arrivals_.compare_exchange_strong(seen, 0)) return ready;
  }
}

bool Connection::receive_one(std::span<std::byte> buffer, std::optional<Ready>& ready) {
  if (has_ended()) return false;
  Bytes frame;
  Status violation;
  switch (receive_frame(buffer, frame, violation)) {
    case Received::kNothing:
      return false;
    case Received::kEnd:
      end();
      return false;
    case Received::kFrame:
      break;
  }
  if (violation.ok()) violation = handle(frame, ready);
  descriptors_.clear();
  if (!violation.ok()) end_with(violation);
  return true;
}

Connection::Received Connection::receive_frame(std::span<std::byte> buffer, Bytes& frame,
                                               Status& violation) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return Received::kNothing;
  if (size <= 0) return Received::kEnd;  // an empty message is no frame either
  violation = take_descriptors(&message, (message.msg_flags & MSG_CTRUNC) != 0);
  frame = buffer.first(static_cast<size_t>(size));
  return Received::kFrame;
}

Status Connection::take_descriptors(const void* received, bool truncated) {
  auto* const message = static_cast<msghdr*>(const_cast<void*>(received));
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  if (!truncated) return ok_status();
  return invalid_argument("a frame has more descriptors than can be taken");
}

Status Connection::handle(Bytes frame, std::optional<Ready>& ready) {
  INFERD_ASSIGN_OR_RETURN(const Header header, read_header(frame));
  INFERD_RETURN_IF_ERROR(check_descriptors(header.type));
  const auto type = static_cast<FrameType>(header.type);
  if (said_hello_ == (type == FrameType::kHello)) {
    return invalid_argument("the first frame, and no other, is HELLO");
  }
  switch (type) {
    case FrameType::kHello:
      return hello(header.id, frame);
    case FrameType::kMap:
      return map(header.id, frame);
    case FrameType::kUnmap:
      return unmap(header.id, frame);
    case FrameType::kBind:
      return bind(header.id, frame);
    case FrameType::kUnbind:
      return unbind(header.id, frame);
    case FrameType::kList:
      return list(header.id, frame);
    case FrameType::kInfer:
      return infer(header.id, frame, ready);
    case FrameType::kCancel:
      return cancel(header.id, frame);
    case FrameType::kPush:
      return push(header.id, frame);
    case FrameType::kWatch:
      return watch(header.id, frame);
    case FrameType::kUnwatch:
      return unwatch(header.id, frame);
    case FrameType::kResult:
      break;  // nothing that a client says
  }
  return invalid_argument("there is no frame of type " + std::to_string(header.type));
}

Status Connection::check_descriptors(uint16_t type) const {
  const size_t expected = type == number(FrameType::kMap) ? 1 : 0;
  if (descriptors_.size() == expected) return ok_status();
  return invalid_argument("a frame of type " + std::to_string(type) + " has " +
                          std::to_string(descriptors_.size()) + " descriptors, not " +
                          std::to_string(expected));
}

Status Connection::hello(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const Hello hello, read_hello(frame));
  if (hello.oldest > kVersion || hello.newest < kVersion) {
    reply(FrameType::kHello, id,
          unimplemented("this daemon speaks version " + std::to_string(kVersion) +
                        " of the protocol"));
    end();
    return ok_status();
  }
  const config::LocalListener& limits = shared_->limits;
  said_hello_ = true;
  regions_.resize(static_cast<size_t>(limits.max_buffers));
  bindings_.resize(kMaxBindings);
  {
    const std::lock_guard lock(answer_mutex_);
    requests_ = std::vector<InFlight>(static_cast<size_t>(limits.max_in_flight));
    waiting_.reserve(requests_.size());
    free_.reserve(requests_.size());
    pushed_.reserve(requests_.size());
    for (InFlight& request : requests_) free_.push_back(&request);
  }
  FrameWriter writer(reply_);
  writer.begin(number(FrameType::kHello) | kAnswer, StatusCode::kOk, id);
  writer.u32(kMagic);
  writer.u16(kVersion);
  writer.u16(0);
  writer.u32(kMaxFrame);
  writer.u32(static_cast<uint32_t>(limits.max_in_flight));
  writer.u32(static_cast<uint32_t>(limits.max_buffers));
  writer.u32(kMaxBindings);
  writer.u64(static_cast<uint64_t>(limits.max_buffer_bytes));
  writer.text(shared_->version);
  send_reply(writer.finish());
  return ok_status();
}

Status Connection::map(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const Map map, read_map(frame));
  auto region = map_buffer(map.buffer, map.bytes);
  if (region.ok()) {
    mapped_bytes_ += (*region)->mapped_bytes();
    regions_[map.buffer] = *std::move(region);
    reply(FrameType::kMap, id);
  } else {
    reply(FrameType::kMap, id, region.status());
  }
  return ok_status();
}

Result<std::shared_ptr<const Region>> Connection::map_buffer(uint32_t buffer, uint64_t bytes) {
  if (buffer >= regions_.size()) return out_of_numbers("buffer", buffer, regions_.size());
  if (regions_[buffer] != nullptr)
    return already_exists("buffer " + std::to_string(buffer) + " is mapped");
  INFERD_ASSIGN_OR_RETURN(auto region, Region::map(descriptors_[0], bytes,
                                                   shared_->limits.max_buffer_bytes - mapped_bytes_,
                                                   caller_.user(), shared_->users));
  return region;
}

Status Connection::unmap(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const uint32_t buffer, read_number(frame));
  if (buffer >= regions_.size() || regions_[buffer] == nullptr) {
    reply(FrameType::kUnmap, id, not_found("there is no buffer " + std::to_string(buffer)));
    return ok_status();
  }
  mapped_bytes_ -= regions_[buffer]->mapped_bytes();
  regions_[buffer].reset();
  reply(FrameType::kUnmap, id);
  return ok_status();
}

Status Connection::bind(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const Bind bind, read_bind(frame));
  if (bind.binding >= bindings_.size()) {
    reply(FrameType::kBind, id, out_of_numbers("binding", bind.binding, bindings_.size()));
    return ok_status();
  }
  const auto found = shared_->repository.find(std::string(bind.name), bind.version);
  Status status = found.status();
  FrameWriter writer(reply_);
  writer.begin(number(FrameType::kBind) | kAnswer, StatusCode::kOk, id);
  if (status.ok()) status = describe(**found, writer);
  if (!status.ok()) {
    reply(FrameType::kBind, id, status);
    return ok_status();
  }
  bindings_[bind.binding] =
      Binding{std::string(bind.name), bind.version != 0, (*found)->model->info(), *found};
  send_reply(writer.finish());
  return ok_status();
}

Status Connection::describe(const models::ModelVersion& version, FrameWriter& writer) {
  const Model& model = *version.model;
  writer.i64(version.version);
  writer.u16(static_cast<uint16_t>(model.inputs().size()));
  writer.u16(static_cast<uint16_t>(model.outputs().size()));
  writer.u32(0);
  for (const auto tensors : {model.inputs(), model.outputs()}) {
    for (const TensorInfo& tensor : tensors) {
      if (!writer.fits(tensor_bytes(tensor) + 8)) {
        return resource_exhausted("the inputs and outputs of model '" + version.name +
                                  "' do not fit into a frame");
      }
      write_tensor(tensor, writer);
    }
  }
  return ok_status();
}

Status Connection::unbind(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const uint32_t binding, read_number(frame));
  if (binding >= bindings_.size() || !bindings_[binding]) {
    reply(FrameType::kUnbind, id, not_found("there is no binding " + std::to_string(binding)));
    return ok_status();
  }
  bindings_[binding].reset();
  reply(FrameType::kUnbind, id);
  return ok_status();
}

Status Connection::list(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const uint32_t index, read_number(frame));
  const std::vector<models::ModelStatus> models = shared_->repository.list();
  if (index >= models.size()) {
    reply(FrameType::kList, id,
          out_of_range("there are " + std::to_string(models.size()) + " models"));
    return ok_status();
  }
  constexpr size_t kMaxText = 4096;
  const models::ModelStatus& model = models[index];
  const std::string_view name = std::string_view(model.name).substr(0, kMaxText);
  FrameWriter writer(reply_);
  writer.begin(number(FrameType::kList) | kAnswer, StatusCode::kOk, id);
  writer.u32(static_cast<uint32_t>(models.size()));
  writer.u16(state_number(model.state));
  writer.u16(static_cast<uint16_t>(name.size()));
  writer.i64(model.version);
  writer.text(name);
  writer.text(std::string_view(model.reason).substr(0, kMaxText));
  send_reply(writer.finish());
  return ok_status();
}

Status Connection::infer(uint64_t id, Bytes frame, std::optional<Ready>& ready) {
  const int64_t received = schedule::now_ns();
  INFERD_ASSIGN_OR_RETURN(const Infer infer, read_infer(frame, places_));
  schedule::Sequence sequence;
  if (infer.sequence != 0) sequence.id = std::to_string(infer.sequence);
  sequence.start = infer.sequence_start;
  sequence.end = infer.sequence_end;
  auto model = bound(infer.binding, sequence);
  if (!model.ok()) {
    reply(FrameType::kInfer, id, model.status());
    return ok_status();
  }
  if (shared_->stopping.load(std::memory_order_relaxed)) {
    reply(FrameType::kInfer, id, unavailable("the daemon stops"));
    return ok_status();
  }
  InFlight* const request = take_free();
  if (request == nullptr) {
    reply(FrameType::kInfer, id,
          resource_exhausted(std::to_string(requests_.size()) +
                             " requests of this connection have no answer yet"));
    return ok_status();
  }
  const Status status = request->prepare(infer, places_, frame, regions_, *model, id, received);
  if (!status.ok()) {
    reply(FrameType::kInfer, id, status);
    const std::lock_guard lock(answer_mutex_);
    give_back(*request);
    return ok_status();
  }
  if (ready) ready->model->queue->submit(std::move(ready->request));
  ready = make_ready(infer, std::move(sequence), *request, *std::move(model));
  return ok_status();
}

Result<std::shared_ptr<const models::ModelVersion>> Connection::bound(
    uint32_t binding, const schedule::Sequence& sequence) {
  if (binding >= bindings_.size() || !bindings_[binding])
    return not_found("there is no binding " + std::to_string(binding));
  Binding& known = *bindings_[binding];
  auto model = known.last.lock();
  if (!known.is_of_version) {
    // A new version that is used as the old one takes its place without the client's knowing.
    const auto serves = shared_->repository.find(known.name, 0, {&caller_, &sequence});
    if (serves.ok() && *serves == model) return model;
    const bool fits =
        serves.ok() && models::check_same_interface(known.told, (*serves)->model->info()).ok();
    if (fits) known.last = *serves;
    model = fits ? *serves : nullptr;
  }
  if (model != nullptr) return model;
  return unavailable("the version of the model that is bound was unloaded; bind again");
}

Ready Connection::make_ready(const Infer& infer, schedule::Sequence sequence, InFlight& request,
                             std::shared_ptr<const models::ModelVersion> model) {
  count_->began();
  Ready ready;
  ready.model = std::move(model);
  schedule::Request& work = ready.request;
  work.inputs = request.inputs();
  work.keep_alive = shared_from_this();
  work.deadline_ns = infer.deadline_ns;
  work.priority = infer.priority;
  work.client = client_;
  work.sequence = std::move(sequence);
  // Both are small enough for std::function to hold them in place.
  work.cancelled = [this, &request] { return request.is_cancelled() || has_ended(); };
  work.done = [this, &request](const schedule::Outcome& outcome) { answer(request, outcome); };
  return ready;
}

Status Connection::cancel(uint64_t id, Bytes frame) {
  INFERD_RETURN_IF_ERROR(read_bare(frame));
  // Of one that is free, or answered, nobody asks any more whether it is cancelled.
  const std::lock_guard lock(answer_mutex_);
  for (InFlight& request : requests_) {
    if (request.id() == id) request.cancel();
  }
  return ok_status();
}

void Connection::reply(FrameType type, uint64_t id, const Status& status) {
  send_reply(write_error(FrameWriter(reply_), number(type) | kAnswer, id, status));
}

void Connection::send_reply(Bytes frame) {
  if (send(frame) != Sent::kYes) end();
}

void Connection::end_with(const Status& violation) {
  send_reply(write_error(FrameWriter(reply_), kViolation, 0, violation));
  end();
}

InFlight* Connection::take_free() {
  const std::lock_guard lock(answer_mutex_);
  if (free_.empty()) return nullptr;
  InFlight* const request = free_.back();
  free_.pop_back();
  return request;
}

void Connection::give_back(InFlight& request) {
  request.release();
  free_.push_back(&request);
}

void Connection::answer(InFlight& request, const schedule::Outcome& outcome) {
  count_->answered(outcome.status);
  // What was asked for by somebody who has gone is not written anywhere.
  if (!has_ended()) request.answer(outcome);
  const std::lock_guard lock(answer_mutex_);
  // Sent under the lock: who has the answer finds the request free again.
  const Sent sent = has_ended() ? Sent::kGone : send(request.frame());
  if (sent == Sent::kNoRoom) {
    waiting_.push_back(&request);
    watch_again();
  } else {
    give_back(request);
  }
}

void Connection::send_waiting() {
  send_results();
  const std::lock_guard lock(answer_mutex_);
  size_t sent = 0;
  while (sent < waiting_.size() && send(waiting_[sent]->frame()) != Sent::kNoRoom)
    give_back(*waiting_[sent++]);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(sent));
  size_t told = 0;
  while (told < pushed_.size() && send(pushed_[told]) != Sent::kNoRoom) ++told;
  pushed_.erase(pushed_.begin(), pushed_.begin() + static_cast<ptrdiff_t>(told));
  pushes_ -= told;
  watch_again();
}

void Connection::watch_again() {
  const bool for_room = !waiting_.empty() || !pushed_.empty() || results_came_ || watches_.waits();
  shared_->poller.watch_again(socket_.get(), token_, for_room);
}

Connection::Sent Connection::send(Bytes frame) const {
  for (;;) {
    if (::send(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
      return Sent::kYes;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? Sent::kNoRoom : Sent::kGone;
  }
}

void Connection::end() {
  ended_.store(true, std::memory_order_relaxed);
  ::shutdown(socket_.get(), SHUT_RDWR);
}

bool Connection::is_idle() const {
  const std::lock_guard lock(answer_mutex_);
  return free_.size() == requests_.size() && pushes_ == 0;
}

}  // namespace inferd::serve::local
