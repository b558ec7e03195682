// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>

#include "daemon/pipeline/sinks/options.h"
#include "inferd/engine/status.h"

struct MHD_Daemon;

namespace inferd::pipeline {

struct MjpegOptions {
  SocketAddress listen;
  std::string path;  // of the stream; "/snapshot.jpg" is one picture
  int max_clients = 4;
};

// Pictures for browsers, over HTTP: a stream without end of the type multipart/x-mixed-replace, and
// single ones. All clients share the newest picture; one that is slow gets fewer. Who has taken
// nothing for half a minute is sent away. Thread-safe but for listen().
class MjpegServer {
 public:
  explicit MjpegServer(MjpegOptions options) : options_(std::move(options)) {}
  ~MjpegServer();
  MjpegServer(const MjpegServer&) = delete;
  MjpegServer& operator=(const MjpegServer&) = delete;

  Status listen();
  bool listening() const { return daemon_ != nullptr; }
  bool wanted() const;  // somebody waits for a picture
  size_t clients() const;
  void publish(std::span<const uint8_t> jpeg);
  // To be called from time to time: sends those away who have waited for a single picture in vain.
  void tick();

  struct Client;  // a request

 private:
  friend struct MjpegHandlers;
  // A picture with what stands around it in the stream.
  struct Part {
    std::string bytes;
    size_t jpeg = 0, jpeg_bytes = 0;  // where it lies in `bytes`
    uint64_t number = 0;              // from 1
  };

  bool suspend(Client& client);
  void resume_all();
  int answer(Client& client);
  int answer_snapshot(Client& client);
  int64_t read(Client& client, char* out, size_t max);

  const MjpegOptions options_;
  MHD_Daemon* daemon_ = nullptr;
  mutable std::mutex mutex_;
  std::shared_ptr<const Part> latest_;  // by mutex_, as all below
  uint64_t number_ = 0;                 // of the latest picture
  std::set<Client*> suspended_;
  size_t streams_ = 0, snapshots_ = 0;  // clients
  bool stopping_ = false;
};

}  // namespace inferd::pipeline
