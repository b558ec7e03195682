// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace inferd::pipeline {

template <typename T>
class Pool;

// Shares an item of a pool. What is shared is only read; whoever is unique() may write. The item
// goes back when nobody has it any more, also after the pool's end. As thread-safe as a
// shared_ptr, but nothing is allocated.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(const Ref& other) : item_(other.item_) {
    if (item_ != nullptr) item_->uses.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(Ref&& other) noexcept : item_(std::exchange(other.item_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(item_, other.item_);
    return *this;
  }
  ~Ref() {
    if (item_ != nullptr && item_->uses.fetch_sub(1, std::memory_order_acq_rel) == 1)
      Pool<T>::give_back(item_);
  }

  void reset() { *this = Ref(); }
  explicit operator bool() const { return item_ != nullptr; }
  T& operator*() const { return item_->value; }
  T* operator->() const { return &item_->value; }
  bool unique() const {
    return item_ != nullptr && item_->uses.load(std::memory_order_acquire) == 1;
  }

 private:
  friend class Pool<T>;
  explicit Ref(typename Pool<T>::Item* item) : item_(item) {}
  typename Pool<T>::Item* item_ = nullptr;
};

// Items that are used again and in turn, so that their buffers soon have their sizes and nothing is
// allocated any more. There are as many as were in use at one time, which is bounded by the queues
// that they wait in. T::recycle() gives up what an unused item must not hold. Thread-safe.
template <typename T>
class Pool {
 public:
  Ref<T> get() {
    Item* item = nullptr;
    {
      const std::lock_guard lock(shelf_->mutex);
      if (!shelf_->items.empty()) {
        item = shelf_->items.front().release();
        shelf_->items.erase(shelf_->items.begin());
      } else {
        // So that to put it back allocates nothing.
        shelf_->items.reserve(++shelf_->made);
      }
    }
    if (item == nullptr) item = new Item;
    item->uses.store(1, std::memory_order_relaxed);
    item->home = shelf_;
    return Ref<T>(item);
  }

 private:
  friend class Ref<T>;
  struct Shelf;
  struct Item {
    T value;
    std::atomic<uint32_t> uses{0};
    std::shared_ptr<Shelf> home;  // while it is in use
  };
  struct Shelf {
    std::mutex mutex;
    std::vector<std::unique_ptr<Item>> items;  // by mutex; unused, longest first
    size_t made = 0;                           // by mutex
  };

  static void give_back(Item* item) {
    item->value.recycle();
    const std::shared_ptr<Shelf> home = std::move(item->home);
    const std::lock_guard lock(home->mutex);
    home->items.emplace_back(item);
  }

  const std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

}  // namespace inferd::pipeline
