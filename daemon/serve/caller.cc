// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/caller.h"

#include "daemon/config/client_name.h"

namespace inferd::serve {

std::vector<std::string> caller_keys(const Peer& peer, std::string_view own_name) {
  std::vector<std::string> keys;
  if (peer.process) {
    keys.push_back(config::user_key(peer.process->uid));
    for (const gid_t group : peer.process->groups) keys.push_back(config::group_key(group));
  }
  if (!peer.subject.empty()) keys.push_back(config::subject_key(peer.subject));
  if (!own_name.empty()) keys.push_back(config::own_name_key(own_name));
  return keys;
}

}  // namespace inferd::serve
