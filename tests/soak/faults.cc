// SPDX-License-Identifier: Apache-2.0
//
// A library to preload (LD_PRELOAD) that lets the disk fail under a program. It counts what the
// program changes below a folder: writes, syncs, renames, new folders, removals, truncations. The
// K-th of them does not happen as it should. Environment:
//
//   FAULTS_FOLDER  the folder, an absolute path
//   FAULTS_AT      K, from 1
//   FAULTS_KIND    enospc, eio: the call fails with that; later ones do not.
//                  torn: of a write, half is done; then the process ends.
//                  power: what was not synced is lost, and the process ends.
//   FAULTS_STASH   an empty folder on the same file system, for "power"
//   FAULTS_TOLD    a file that is made when the K-th call has come
//
// What "power" leaves is what POSIX promises and no more: of a file what was there at its last
// fsync, of a folder the names that were in it at its own last fsync. A rename between folders is
// one change, as journaling file systems have it.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr int kKilled = 137;  // the exit status of what SIGKILL ended, as shells have it

// The function that this library stands before.
template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

struct Moved {
  ino_t inode = 0, from = 0;  // the folder that it was in
  std::string name;           // as which
};

// The one of the process. Its own calls are not counted.
class Faults {
 public:
  static Faults& get() {
    static auto* const faults = new Faults();  // never ends: threads run until the end
    return *faults;
  }

  bool is_below(const std::string& path) const {
    return !folder_.empty() && path.starts_with(folder_);
  }

  // Of a path that a call was given. Whether the call is to be made; false: errno is set. Does not
  // return when the process ends by it. `half` does half of a write.
  template <typename Half>
  bool passes(const std::string& path, const Half& half) {
    const std::lock_guard lock(mutex_);
    if (inside_ || !is_below(path)) return true;
    inside_ = true;
    if (count_ == 0 && kind_ == "power") remember_all(folder_);
    const bool strikes = ++count_ == at_;
    if (strikes) strike(half);
    inside_ = false;
    return !strikes;
  }

  // What has been done, for "power".
  void synced(int file) {
    const std::lock_guard lock(mutex_);
    struct stat about {};
    const std::string path = path_of(file);
    if (kind_ != "power" || !is_below(path) || ::fstat(file, &about) != 0) return;
    inside_ = true;
    if (S_ISDIR(about.st_mode)) {
      remember_names(path, about.st_ino);
    } else {
      remember(path, about);
    }
    inside_ = false;
  }
  void renames(const std::string& from) {
    const std::lock_guard lock(mutex_);
    struct stat what {
    }, where{};
    if (kind_ != "power" || !is_below(from) || ::lstat(from.c_str(), &what) != 0) return;
    const fs::path path(from);
    if (::stat(path.parent_path().c_str(), &where) != 0) return;
    moved_.push_back({what.st_ino, where.st_ino, path.filename()});
  }

  // A new folder has nothing of one that had its inode before. (Those of files are not used again:
  // the stash has them.)
  void made(const std::string& path) {
    const std::lock_guard lock(mutex_);
    struct stat about {};
    if (kind_ != "power" || !is_below(path) || ::lstat(path.c_str(), &about) != 0) return;
    folders_.erase(about.st_ino);
    std::erase_if(moved_, [&](const Moved& moved) {
      return moved.inode == about.st_ino || moved.from == about.st_ino;
    });
  }

  static std::string path_of(int file) {
    std::string path(PATH_MAX, '\0');
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
    path.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return path;
  }

 private:
  struct Entry {
    ino_t inode;
    bool is_folder;
  };

  Faults() {
    const auto value = [](const char* name) {
      const char* const text = std::getenv(name);
      return std::string(text == nullptr ? "" : text);
    };
    folder_ = value("FAULTS_FOLDER");
    kind_ = value("FAULTS_KIND");
    stash_ = value("FAULTS_STASH");
    told_ = value("FAULTS_TOLD");
    at_ = std::atoi(value("FAULTS_AT").c_str());
  }

  template <typename Half>
  void strike(const Half& half) {
    ::close(::open(told_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (kind_ == "enospc" || kind_ == "eio") {
      errno = kind_ == "eio" ? EIO : ENOSPC;
      return;
    }
    if (kind_ == "torn") half();
    if (kind_ == "power") lose();
    ::_exit(kKilled);
  }

  std::string stashed(ino_t inode) const { return stash_ + "/" + std::to_string(inode); }

  // A file as it is now is on the disk. Another name keeps its inode.
  void remember(const std::string& path, const struct stat& about) {
    (void)::link(path.c_str(), stashed(about.st_ino).c_str());
    sizes_[about.st_ino] = about.st_size;
  }

  // So is what a folder holds.
  void remember_names(const std::string& path, ino_t inode) {
    auto& names = folders_[inode];
    names.clear();
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      struct stat about {};
      if (::lstat(entry.path().c_str(), &about) != 0) continue;
      names[entry.path().filename()] = {about.st_ino, S_ISDIR(about.st_mode)};
      if (S_ISREG(about.st_mode)) (void)::link(entry.path().c_str(), stashed(about.st_ino).c_str());
      std::erase_if(moved_, [&](const Moved& moved) {
        if (moved.inode != about.st_ino) return false;
        if (moved.from != inode) folders_[moved.from].erase(moved.name);
        return true;
      });
    }
  }

  // What was there before the first change.
  void remember_all(const std::string& path) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0) return;
    if (S_ISREG(about.st_mode)) return remember(path, about);
    if (!S_ISDIR(about.st_mode)) return;
    remember_names(path, about.st_ino);
    for (const fs::directory_entry& entry : fs::directory_iterator(path))
      remember_all(entry.path());
    root_ = about.st_ino;  // of the last one that ends: the folder itself
  }

  // Beside its place, for other threads go on until the end.
  void lose() {
    const std::string left = folder_ + ".left";
    fs::create_directory(left);
    restore(root_, left);
    fs::rename(folder_, folder_ + ".lost");
    fs::rename(left, folder_);
  }
  void restore(ino_t inode, const fs::path& path) {
    for (const auto& [name, entry] : folders_[inode]) {
      if (entry.is_folder) {
        fs::create_directory(path / name);
        restore(entry.inode, path / name);
        continue;
      }
      const auto size = sizes_.find(entry.inode);
      fs::copy_file(stashed(entry.inode), path / name);
      fs::resize_file(path / name, size == sizes_.end() ? 0 : static_cast<uint64_t>(size->second));
    }
  }

  std::string folder_, kind_, stash_, told_;
  int at_ = 0;
  std::recursive_mutex mutex_;  // of all that follows
  int count_ = 0;
  bool inside_ = false;
  ino_t root_ = 0;
  std::map<ino_t, off_t> sizes_;  // of files, at their last sync
  std::map<ino_t, std::map<std::string, Entry>> folders_;
  std::vector<Moved> moved_;  // and not synced in their new folder
};

std::string absolute(int folder, const char* path) {
  if (path[0] == '/' || folder == AT_FDCWD) return fs::absolute(path);
  return Faults::path_of(folder) + "/" + path;
}

bool passes(const std::string& path) {
  return Faults::get().passes(path, [] {});
}

// fsync and fdatasync.
int sync_with(int (*sync)(int), int file) {
  if (!passes(Faults::path_of(file))) return -1;
  const int result = sync(file);
  if (result == 0) Faults::get().synced(file);
  return result;
}

template <typename Rename>
int rename_with(const std::string& from, const std::string& to, const Rename& rename) {
  if (!passes(to)) return -1;
  Faults::get().renames(from);
  return rename();
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* data, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  struct stat about {};
  const bool is_file = ::fstat(file, &about) == 0 && S_ISREG(about.st_mode);
  const auto half = [&] { (void)!real(file, data, size / 2); };
  if (is_file && !Faults::get().passes(Faults::path_of(file), half)) return -1;
  return real(file, data, size);
}

ssize_t pwrite(int file, const void* data, size_t size, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  const auto half = [&] { (void)!real(file, data, size / 2, at); };
  return Faults::get().passes(Faults::path_of(file), half) ? real(file, data, size, at) : -1;
}

int fsync(int file) {
  static const auto real = next<int (*)(int)>("fsync");
  return sync_with(real, file);
}

int fdatasync(int file) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return sync_with(real, file);
}

int ftruncate(int file, off_t size) noexcept {
  static const auto real = next<int (*)(int, off_t)>("ftruncate");
  return passes(Faults::path_of(file)) ? real(file, size) : -1;
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return rename_with(absolute(AT_FDCWD, from), absolute(AT_FDCWD, to),
                     [&] { return real(from, to); });
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  static const auto real = next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2");
  return rename_with(absolute(from_folder, from), absolute(to_folder, to),
                     [&] { return real(from_folder, from, to_folder, to, flags); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
  const std::string whole = absolute(AT_FDCWD, path);
  if (!passes(whole)) return -1;
  const int result = real(path, mode);
  if (result == 0) Faults::get().made(whole);
  return result;
}

int unlink(const char* path) noexcept {
  static const auto real = next<int (*)(const char*)>("unlink");
  return passes(absolute(AT_FDCWD, path)) ? real(path) : -1;
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  static const auto real = next<int (*)(int, const char*, int)>("unlinkat");
  return passes(absolute(folder, path)) ? real(folder, path, flags) : -1;
}

}  // extern "C"
