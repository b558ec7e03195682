// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/asked_keys.h"

#include <utility>

namespace inferd::config {
namespace {

thread_local AskedKeys* listening = nullptr;

}  // namespace

AskedKeys::AskedKeys() { listening = this; }

AskedKeys::~AskedKeys() { listening = nullptr; }

void AskedKeys::note(AskedKey key) {
  if (listening != nullptr) listening->all_.push_back(std::move(key));
}

}  // namespace inferd::config
