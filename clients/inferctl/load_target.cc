// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/load_target.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace inferd::ctl {
namespace {

class GrpcSender final : public Sender {
 public:
  GrpcSender(const LoadTarget& target, std::vector<std::unique_ptr<Client>> clients)
      : target_(target), clients_(std::move(clients)) {}

  void send(std::function<void(const Status&)> done) override {
    Client& client = *clients_[next_++ % clients_.size()];
    client.infer_async(target_.model, target_.inputs, target_.options,
                       [done = std::move(done)](const auto& outputs) { done(outputs.status()); });
  }

 private:
  const LoadTarget& target_;
  const std::vector<std::unique_ptr<Client>> clients_;
  size_t next_ = 0;
};

class LocalSender final : public Sender {
 public:
  LocalSender(const LoadTarget& target, std::unique_ptr<Client> client, int threads)
      : target_(target), client_(std::move(client)) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~LocalSender() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  LocalSender(const LocalSender&) = delete;
  LocalSender& operator=(const LocalSender&) = delete;

  void send(std::function<void(const Status&)> done) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(done));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto done = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      done(client_->infer(target_.model, target_.inputs, target_.options).status());
      lock.lock();
    }
  }

  const LoadTarget& target_;
  const std::unique_ptr<Client> client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void(const Status&)>> waiting_;  // by mutex_
  bool ending_ = false;                                     // by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<Sender>> Sender::create(const LoadTarget& target, int connections,
                                               int threads) {
  const bool is_local = target.endpoint.starts_with("local:");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < (is_local ? 1 : connections); ++i) {
    INFERD_ASSIGN_OR_RETURN(clients.emplace_back(),
                            Client::connect(target.endpoint, target.connection));
  }
  if (!is_local)
    return std::unique_ptr<Sender>(std::make_unique<GrpcSender>(target, std::move(clients)));
  return std::unique_ptr<Sender>(
      std::make_unique<LocalSender>(target, std::move(clients[0]), threads));
}

}  // namespace inferd::ctl
