// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/client_counts.h"

#include <utility>

namespace inferd::serve {

void ClientCount::began() {
  ++requests_;
  newest_ns_ = schedule::now_ns();
}

void ClientCount::answered(const Status& status) {
  if (!status.ok()) ++failed_;
  ++answered_;
}

uint64_t ClientCount::on_their_way() const {
  const uint64_t answered = answered_;  // first: there are never more than requests
  return requests_ - answered;
}

void count(const std::shared_ptr<ClientCount>& client, schedule::Request& request) {
  client->began();
  request.done = [client, done = std::move(request.done)](const schedule::Outcome& outcome) {
    client->answered(outcome.status);  // before: who has the answer finds it counted
    done(outcome);
  };
}

std::shared_ptr<ClientCount> ClientCounts::of(std::string_view protocol, const Peer& peer,
                                              std::string_view own_name) {
  Key key{protocol, -1, 0, peer.address, peer.subject, own_name.substr(0, kMaxName)};
  if (peer.process) {
    std::get<1>(key) = peer.process->uid;
    std::get<2>(key) = peer.process->pid;
  }
  const std::lock_guard lock(mutex_);
  const auto known = clients_.find(key);
  if (known != clients_.end()) return known->second;
  auto client = std::make_shared<ClientCount>();
  if (clients_.size() < kMaxClients || make_room()) clients_.emplace(std::move(key), client);
  return client;
}

bool ClientCounts::make_room() {
  auto silent = clients_.end();
  for (auto at = clients_.begin(); at != clients_.end(); ++at) {
    if (at->second.use_count() > 1) continue;
    if (silent == clients_.end() || at->second->newest_ns() < silent->second->newest_ns())
      silent = at;
  }
  if (silent == clients_.end()) return false;
  clients_.erase(silent);
  return true;
}

std::vector<ClientCounts::Client> ClientCounts::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Client> all;
  for (const auto& [key, count] : clients_) {
    const auto& [protocol, user, process, address, subject, name] = key;
    all.push_back({protocol, user, process, address, subject, name, count->requests(),
                   count->failed(), count->on_their_way(), count->newest_ns()});
  }
  return all;
}

ClientCounts& client_counts() {
  static ClientCounts counts;
  return counts;
}

}  // namespace inferd::serve
