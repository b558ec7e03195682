// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace inferd::serve {

// An object of POSIX shared memory, gone with the test.
class SharedObject {
 public:
  explicit SharedObject(const std::string& content)
      : key_("/inferd-test-" + std::to_string(::getpid())),
        fd_(::shm_open(key_.c_str(), O_CREAT | O_RDWR | O_TRUNC, 0600)) {
    EXPECT_EQ(::pwrite(fd_, content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
  }
  ~SharedObject() {
    ::close(fd_);
    ::shm_unlink(key_.c_str());
  }
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;

  void truncate(off_t size) const { EXPECT_EQ(::ftruncate(fd_, size), 0); }
  std::string content() const {
    std::string content(100, '\0');
    content.resize(static_cast<size_t>(::pread(fd_, content.data(), content.size(), 0)));
    return content;
  }
  const std::string& key() const { return key_; }

 private:
  const std::string key_;
  const int fd_;
};

}  // namespace inferd::serve
