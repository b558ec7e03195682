// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/response_cache.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace inferd::schedule {
namespace {

// Lists, maps and the entry itself.
constexpr int64_t kEntryBytes = 512;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, Freer<EVP_MAC_CTX_free>>;

size_t aligned(size_t bytes) {
  constexpr size_t kAlignment = alignof(std::max_align_t);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::shared_ptr<const ResponseCache::Answer> copy_of(std::span<const TensorView> outputs) {
  auto answer = std::make_shared<ResponseCache::Answer>();
  size_t bytes = 0;
  for (const TensorView& output : outputs) bytes += aligned(output.data.size());
  answer->bytes.resize(bytes);
  std::byte* to = answer->bytes.data();
  for (const TensorView& output : outputs) {
    std::copy(output.data.begin(), output.data.end(), to);
    answer->outputs.push_back({output.dtype, output.shape, {to, output.data.size()}});
    to += aligned(output.data.size());
  }
  return answer;
}

}  // namespace

struct ResponseCache::Mac {
  MacContext keyed;
};

Result<std::shared_ptr<ResponseCache>> ResponseCache::create(int64_t max_bytes) {
  const std::unique_ptr<EVP_MAC, Freer<EVP_MAC_free>> algorithm(
      EVP_MAC_fetch(nullptr, "POLY1305", nullptr));
  std::array<unsigned char, 32> secret{};
  if (RAND_bytes(secret.data(), secret.size()) != 1) {
    return internal_error("the response cache has no random numbers for its key");
  }
  auto mac = std::make_unique<Mac>();
  if (algorithm != nullptr) mac->keyed.reset(EVP_MAC_CTX_new(algorithm.get()));
  if (mac->keyed == nullptr ||
      EVP_MAC_init(mac->keyed.get(), secret.data(), secret.size(), nullptr) != 1) {
    return internal_error("libcrypto has no Poly1305, which the response cache needs");
  }
  return std::shared_ptr<ResponseCache>(new ResponseCache(max_bytes, std::move(mac)));
}

ResponseCache::ResponseCache(int64_t max_bytes, std::unique_ptr<Mac> mac)
    : max_bytes_(max_bytes), mac_(std::move(mac)) {}

ResponseCache::~ResponseCache() = default;

uint64_t ResponseCache::new_owner() {
  const std::lock_guard lock(mutex_);
  uses_[++last_owner_] = {};
  return last_owner_;
}

// What varies in length comes after its length, so that no two lists of inputs read the same.
ResponseCache::Key ResponseCache::key(uint64_t owner, std::span<const TensorView> inputs) const {
  const MacContext mac(EVP_MAC_CTX_dup(mac_->keyed.get()));
  const auto add = [&](const void* bytes, size_t count) {
    EVP_MAC_update(mac.get(), static_cast<const unsigned char*>(bytes), count);
  };
  const std::array<uint64_t, 2> title = {owner, inputs.size()};
  add(title.data(), sizeof(title));
  for (const TensorView& input : inputs) {
    std::array<int64_t, 3 + kMaxRank> about{};
    about[0] = static_cast<int64_t>(input.dtype);
    about[1] = input.shape.rank();
    about[2] = static_cast<int64_t>(input.data.size());
    std::copy(input.shape.begin(), input.shape.end(), about.begin() + 3);
    add(about.data(), sizeof(about));
    add(input.data.data(), input.data.size());
  }
  std::array<unsigned char, sizeof(Key)> hash{};
  size_t written = 0;
  EVP_MAC_final(mac.get(), hash.data(), &written, hash.size());
  Key key;
  std::memcpy(&key, hash.data(), sizeof(key));
  return key;
}

std::shared_ptr<const ResponseCache::Answer> ResponseCache::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->answer;
}

void ResponseCache::insert(uint64_t owner, const Key& key, std::span<const TensorView> outputs) {
  int64_t bytes = kEntryBytes;
  for (const TensorView& output : outputs) {
    bytes += static_cast<int64_t>(aligned(output.data.size()));
  }
  if (bytes > max_bytes_) return;
  auto answer = copy_of(outputs);
  Entries gone;  // ended without the lock
  const std::lock_guard lock(mutex_);
  const auto use = uses_.find(owner);
  // Another request with the same inputs may have been faster, or its model may be gone.
  if (use == uses_.end() || by_key_.contains(key)) return;
  while (bytes_ + bytes > max_bytes_) {
    const auto last = std::prev(entries_.end());
    ++uses_.at(last->owner).evictions;
    remove(last, gone);
  }
  entries_.push_front({key, owner, bytes, std::move(answer)});
  by_key_[key] = entries_.begin();
  bytes_ += bytes;
  use->second.bytes += bytes;
  ++use->second.entries;
}

void ResponseCache::remove(Entries::iterator entry, Entries& gone) {
  CacheUse& use = uses_.at(entry->owner);
  --use.entries;
  use.bytes -= entry->bytes;
  bytes_ -= entry->bytes;
  by_key_.erase(entry->key);
  gone.splice(gone.end(), entries_, entry);
}

void ResponseCache::forget(uint64_t owner) {
  Entries gone;
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto entry = it++;
    if (entry->owner == owner) remove(entry, gone);
  }
  uses_.erase(owner);
}

CacheUse ResponseCache::use(uint64_t owner) const {
  const std::lock_guard lock(mutex_);
  const auto use = uses_.find(owner);
  return use == uses_.end() ? CacheUse() : use->second;
}

}  // namespace inferd::schedule
