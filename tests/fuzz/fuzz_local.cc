// SPDX-License-Identifier: Apache-2.0
//
// A client of the local socket that says anything, with and without descriptors, to a connection of
// the daemon: over a real socket, with a model that looks at every byte it is given.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "daemon/serve/local/connection.h"
#include "tests/unit/fakes.h"

namespace inferd::serve::local {
namespace {

// The input is a row of messages: a byte of flags, two of size, the frame. Flags:
constexpr unsigned kRaw = 1;        // sent as it is; else its header is made right first
constexpr unsigned kFiles = 6;      // how many descriptors come with it (0 to 3)
constexpr unsigned kUnsealed = 8;   // which are no good
constexpr unsigned kReads = 16;     // takes the answers that have come
constexpr unsigned kPrepared = 32;  // the first message: after HELLO, BIND 0, MAP 0 and WATCH
constexpr unsigned kNearly = 64;    // the frame is a good INFER, but for the bits that are set here
constexpr unsigned kPush = 128;     // the same of a good PUSH

constexpr size_t kFileBytes = 4096;

// Takes floats where they lie, bools in a copy.
class Looks final : public Model {
 public:
  Looks() {
    info_.inputs = {{"x", DType::kFloat32, {kDynamicDim, 4}, {}}, {"b", DType::kBool, {4}, {}}};
    info_.outputs = {{"y", DType::kFloat32, {kDynamicDim, 4}, {}}, {"z", DType::kUInt8, {3}, {}}};
    info_.value_inputs = {true, false};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Run>());
  }

 private:
  class Run final : public Context {
   public:
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const>) override {
      if (static_cast<int64_t>(inputs[0].data.size()) !=
              *checked_bytes(DType::kFloat32, inputs[0].shape) ||
          inputs[1].data.size() != 4) {
        __builtin_trap();
      }
      floats_.assign(inputs[0].data.begin(), inputs[0].data.end());
      for (const std::byte b : inputs[1].data) {
        if (b > std::byte{1}) __builtin_trap();
      }
      views_[0] = {DType::kFloat32, inputs[0].shape, floats_};
      views_[1] = {DType::kUInt8, {3}, std::as_bytes(std::span("abc", 3))};
      return std::span<const TensorView>(views_);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    std::vector<std::byte> floats_;
    std::array<TensorView, 2> views_;
  };
  ModelInfo info_;
};

int make_file(bool sealed) {
  const int fd = ::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ::ftruncate(fd, kFileBytes) != 0) __builtin_trap();
  if (sealed) ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

class Peer {
 public:
  explicit Peer(const std::shared_ptr<Shared>& shared) : buffer_(Connection::kReceiveBytes) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
      __builtin_trap();
    socket_ = Descriptor(ends[0]);
    if (!shared->users->add_connection(1).ok()) __builtin_trap();
    connection_ = std::make_shared<Connection>(
        Descriptor(ends[1]), 2, serve::Peer::Process{1, 1, {}}, Roles::all(), shared);
    shared->poller.watch(connection_->socket(), 2);
  }
  ~Peer() {
    connection_->end();
    connection_->forget_watches();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool send(std::span<const std::byte> frame, size_t files, bool sealed) {
    static const int good = make_file(true), bad = make_file(false);
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    iovec part{const_cast<std::byte*>(frame.data()), frame.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (files > 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(files * sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(files * sizeof(int));
      const int fds[3] = {sealed ? good : bad, sealed ? good : bad, good};
      std::memcpy(CMSG_DATA(header), fds, files * sizeof(int));
    }
    if (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0) return false;
    if (auto ready = connection_->receive(buffer_)) {
      ready->request.run_here = true;
      ready->model->queue->submit(std::move(ready->request));
    }
    return !connection_->has_ended();
  }

  // Every answer must be a frame.
  void read() {
    for (;;) {
      const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
      if (size <= 0) break;
      uint32_t said = 0;
      std::memcpy(&said, buffer_.data(), sizeof said);
      if (said != size || size > static_cast<ssize_t>(kMaxFrame)) __builtin_trap();
    }
    connection_->send_waiting();
  }

 private:
  std::vector<std::byte> buffer_;
  Descriptor socket_;
  std::shared_ptr<Connection> connection_;
};

std::span<const std::byte> write(std::vector<std::byte>& bytes, FrameType type,
                                 const std::function<void(FrameWriter&)>& body) {
  FrameWriter writer(bytes);
  writer.begin(static_cast<uint16_t>(type), StatusCode::kOk, 1);
  body(writer);
  return writer.finish();
}

void prepare(Peer& peer) {
  std::vector<std::byte> bytes;
  peer.send(write(bytes, FrameType::kHello,
                  [](FrameWriter& w) {
                    w.u32(kMagic);
                    w.u16(1);
                    w.u16(1);
                  }),
            0, false);
  peer.send(write(bytes, FrameType::kBind,
                  [](FrameWriter& w) {
                    w.u32(0);
                    w.u16(5);
                    w.u16(0);
                    w.i64(0);
                    w.text("looks");
                  }),
            0, false);
  const bool goes_on = peer.send(write(bytes, FrameType::kMap,
                                       [](FrameWriter& w) {
                                         w.u32(0);
                                         w.u32(0);
                                         w.u64(kFileBytes);
                                       }),
                                 1, true);
  if (!goes_on) __builtin_trap();
  peer.send(write(bytes, FrameType::kWatch,
                  [](FrameWriter& w) {
                    w.u16(6);
                    w.u16(0);
                    w.u32(1);
                    w.text("pushed");
                  }),
            0, false);
  peer.read();
}

// Pictures of 16x16 in RGB.
std::vector<std::byte> good_push() {
  std::vector<std::byte> bytes;
  write(bytes, FrameType::kPush, [](FrameWriter& w) {
    w.u32(0);
    w.u8(0);
    w.u8(0);
    w.u16(2);
    w.u64(0);
    w.u64(768);
    w.i64(0);
    w.u32(16);
    w.u32(16);
    w.u32(0);
    w.u32(0);
    w.text("in");
  });
  return bytes;
}

// One whose results the peer watches.
std::unique_ptr<pipeline::Pipelines> make_pipelines(models::Repository& repository) {
  config::PipelineConfig config;
  config.name = "pushed";
  config.source.type = "push";
  for (const auto& [key, value] : {std::pair("name", "in"), {"width", "16"}, {"height", "16"}})
    config.source.entries[key] = {{value}, false, {}};
  auto pipelines = pipeline::Pipelines::create({config}, repository);
  if (!pipelines.ok()) __builtin_trap();
  (*pipelines)->start();
  return std::move(*pipelines);
}

// For the prepared peer: a tensor in the buffer and one in the frame, each way.
std::vector<std::byte> good_infer() {
  constexpr uint32_t kBuffer = 0;
  const auto place = [](FrameWriter& w, uint32_t buffer, uint64_t offset, uint64_t bytes) {
    w.u32(buffer);
    w.u32(kBoundShape);
    w.u64(offset);
    w.u64(bytes);
  };
  std::vector<std::byte> bytes;
  write(bytes, FrameType::kInfer, [&](FrameWriter& w) {
    w.u32(0);
    w.u16(2);
    w.u16(2);
    w.i64(0);
    w.u32(0);
    w.u32(0);
    w.u64(0);
    place(w, kBuffer, 0, 16);
    place(w, kInline, 48 + 4 * place_bytes(0), 4);
    place(w, kBuffer, 64, 16);
    place(w, kInline, 0, 0);
    w.u64(1);
  });
  return bytes;
}

// `frame` becomes what the flags say of it.
void shape(unsigned flags, std::vector<std::byte>& frame) {
  if ((flags & (kNearly | kPush)) != 0) {
    static const std::vector<std::byte> infer = good_infer(), push = good_push();
    const std::vector<std::byte>& good = (flags & kPush) != 0 ? push : infer;
    frame.resize(std::max(frame.size(), good.size()));
    for (size_t i = 0; i < good.size(); ++i) frame[i] ^= good[i];
  }
  if ((flags & kRaw) != 0 || frame.size() < kHeaderBytes) return;
  const auto whole = static_cast<uint32_t>(frame.size());
  std::memcpy(frame.data(), &whole, sizeof whole);
  frame[4] &= std::byte{15};
  frame[5] = frame[6] = frame[7] = std::byte{0};
}

void fuzz(std::span<const std::byte> input) {
  static FakeRepository repository;
  static const bool added = (repository.add("looks", std::make_shared<Looks>()), true);
  static_cast<void>(added);
  static const auto pipelines = make_pipelines(repository);
  config::LocalListener limits;
  limits.max_in_flight = 4;
  limits.max_buffers = 4;
  limits.max_buffer_bytes = 3 * kFileBytes;
  const auto users = std::make_shared<UserLimits>(2, 2 * kFileBytes);
  const std::shared_ptr<Shared> shared(
      new Shared{repository, *pipelines, "fuzz", limits, users, {}});
  {
    Peer peer(shared);
    bool first = true;
    while (input.size() > 3) {
      const auto flags = std::to_integer<unsigned>(input[0]);
      const size_t said = std::to_integer<size_t>(input[1]) | std::to_integer<size_t>(input[2])
                                                                  << 8;
      const size_t size = std::min(said, input.size() - 3);
      std::vector<std::byte> frame(input.begin() + 3,
                                   input.begin() + 3 + static_cast<ptrdiff_t>(size));
      input = input.subspan(3 + size);
      if (first && (flags & kPrepared) != 0) prepare(peer);
      first = false;
      shape(flags, frame);
      if (!frame.empty() && !peer.send(frame, (flags & kFiles) / 2, (flags & kUnsealed) == 0))
        break;
      if ((flags & kReads) != 0) peer.read();
    }
  }
  // All memory and the connection have been given back, as soon as the last frame has.
  while (shared.use_count() > 1) std::this_thread::yield();
  if (!users->add_bytes(1, 2 * kFileBytes).ok()) __builtin_trap();
  if (!users->add_connection(1).ok() || !users->add_connection(1).ok()) __builtin_trap();
}

}  // namespace
}  // namespace inferd::serve::local

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  inferd::serve::local::fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
