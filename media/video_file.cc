// SPDX-License-Identifier: Apache-2.0
#include "media/video_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace inferd::media {
namespace {

enum Id : uint32_t {
  kEbml = 0x1A45DFA3,
  kSegment = 0x18538067,
  kSeekHead = 0x114D9B74,
  kInfo = 0x1549A966,
  kTracks = 0x1654AE6B,
  kCluster = 0x1F43B675,
  kCues = 0x1C53BB6B,
  kTimestamp = 0xE7,
  kSimpleBlock = 0xA3,
  kVoid = 0xEC,
};
constexpr size_t kSizeBytes = 8;  // each element says its size in so many
constexpr uint64_t kMaxSize = (uint64_t{1} << 56) - 1;
constexpr uint64_t kUnknown = kMaxSize;  // of a segment that still grows

// Elements one after the other, each an identifier, a size and what it holds. All numbers take 8
// bytes, so that what is known at the end only fits into the place that was left for it.
class Elements {
 public:
  Elements& begin(uint32_t id, uint64_t size) {
    put(id, (std::bit_width(id) + 7) / 8);
    return put(uint64_t{1} << 56 | size, kSizeBytes);
  }
  Elements& put(uint64_t value, size_t count) {
    while (count-- > 0) bytes_.push_back(static_cast<uint8_t>(value >> (8 * count)));
    return *this;
  }
  Elements& number(uint32_t id, uint64_t value) { return begin(id, 8).put(value, 8); }
  Elements& real(uint32_t id, double value) { return number(id, std::bit_cast<uint64_t>(value)); }
  Elements& text(uint32_t id, std::string_view value) {
    begin(id, value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  Elements& add(const Elements& more) {
    bytes_.insert(bytes_.end(), more.bytes_.begin(), more.bytes_.end());
    return *this;
  }
  Elements& group(uint32_t id, const Elements& inside) {
    return begin(id, inside.bytes_.size()).add(inside);
  }
  // Itself, or, as long as that, what players skip.
  Elements& add_if(bool known, const Elements& more) {
    if (known) return add(more);
    const size_t nothing = more.bytes_.size() - 1 - kSizeBytes;
    begin(kVoid, nothing);
    bytes_.resize(bytes_.size() + nothing);
    return *this;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// What is known of a file when it is finished. Positions are from where the segment begins.
struct End {
  uint64_t segment = kUnknown;  // its size
  uint64_t cues = 0;
  double duration_ms = 0;
};

Elements file_head() {
  Elements head;
  head.number(0x4286, 1).number(0x42F7, 1).number(0x42F2, 4).number(0x42F3, 8);
  head.text(0x4282, "matroska").number(0x4287, 4).number(0x4285, 2);
  return Elements().group(kEbml, head);
}

size_t segment_begin() { return file_head().begin(kSegment, 0).bytes().size(); }

// Everything before the first picture; always of one size.
std::vector<uint8_t> header(uint64_t width, uint64_t height, const End& end) {
  const bool known = end.segment != kUnknown;
  Elements to_cues, info, video, track;
  to_cues.begin(0x53AB, 4).put(kCues, 4).number(0x53AC, end.cues);
  info.number(0x2AD7B1, 1'000'000);  // nanoseconds in a unit of time
  info.add_if(known, Elements().real(0x4489, end.duration_ms));
  info.text(0x4D80, "inferd").text(0x5741, "inferd");
  video.number(0xB0, width).number(0xBA, height);
  track.number(0xD7, 1).number(0x73C5, 1).number(0x83, 1).number(0x9C, 0);
  track.text(0x86, "V_MJPEG").group(0xE0, video);
  return file_head()
      .begin(kSegment, end.segment)
      .add_if(known, Elements().group(kSeekHead, Elements().group(0x4DBB, to_cues)))
      .group(kInfo, info)
      .group(kTracks, Elements().group(0xAE, track))
      .bytes();
}

// What stands before the bytes of a picture.
constexpr size_t kPictureHead = (4 + 8) + (1 + 8 + 8) + (1 + 8) + 4;

Elements picture_head(uint64_t at_ms, uint64_t jpeg_bytes) {
  Elements head;
  head.begin(kCluster, kPictureHead - (4 + 8) + jpeg_bytes).number(kTimestamp, at_ms);
  // Of track 1, at the cluster's time, a key frame.
  return head.begin(kSimpleBlock, 4 + jpeg_bytes).put(0x81'00'00'80, 4);
}

uint64_t big_endian(std::span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

Status disk_error() { return unavailable(std::strerror(errno)); }

Status write_at(int fd, std::span<const uint8_t> bytes, uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 ? unavailable("nothing is taken") : disk_error();
    bytes = bytes.subspan(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return ok_status();
}

bool read_at(int fd, std::span<uint8_t> bytes, uint64_t at) {
  return ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
         static_cast<ssize_t>(bytes.size());
}

std::string part_of(const std::string& path) { return path + ".part"; }

}  // namespace

VideoFile::~VideoFile() {
  if (fd_ < 0) return;
  ::unlink(part_of(path_).c_str());
  ::close(fd_);
}

Result<std::unique_ptr<VideoFile>> VideoFile::create(const std::string& path, int width,
                                                     int height) {
  const int fd = ::open(part_of(path).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return disk_error();
  std::unique_ptr<VideoFile> file(
      new VideoFile(path, fd, static_cast<uint64_t>(width), static_cast<uint64_t>(height)));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return disk_error();  // repair() leaves it alone
  const std::vector<uint8_t> head = header(file->width_, file->height_, {});
  INFERD_RETURN_IF_ERROR(write_at(fd, head, 0));
  file->size_ = head.size();
  return file;
}

Status VideoFile::add(std::span<const uint8_t> jpeg, int64_t at_ns) {
  const uint64_t at_ms = std::max(static_cast<uint64_t>(at_ns) / 1'000'000, last_ms_);
  const Elements head = picture_head(at_ms, jpeg.size());
  INFERD_RETURN_IF_ERROR(write_at(fd_, head.bytes(), size_));
  INFERD_RETURN_IF_ERROR(write_at(fd_, jpeg, size_ + kPictureHead));
  note(at_ms, kPictureHead + jpeg.size());
  return ok_status();
}

// A picture that is there.
void VideoFile::note(uint64_t at_ms, uint64_t bytes) {
  if (cues_.empty() || at_ms >= cues_.back().at_ms + 1000)
    cues_.push_back({at_ms, size_ - segment_begin()});
  last_ms_ = at_ms;
  size_ += bytes;
  ++pictures_;
}

Status VideoFile::finish() {
  Elements cues;
  for (const Cue& cue : cues_) {
    Elements place;
    place.number(0xF7, 1).number(0xF1, cue.at);
    cues.group(0xBB, Elements().number(0xB3, cue.at_ms).group(0xB7, place));
  }
  const Elements index = Elements().group(kCues, cues);
  const uint64_t begin = segment_begin();
  // The last picture is seen for as long as others are on average.
  const double seen = static_cast<double>(last_ms_);
  const double each = pictures_ > 1 ? seen / static_cast<double>(pictures_ - 1) : 0;
  const End end{size_ + index.bytes().size() - begin, size_ - begin, seen + each};
  INFERD_RETURN_IF_ERROR(write_at(fd_, index.bytes(), size_));
  INFERD_RETURN_IF_ERROR(write_at(fd_, header(width_, height_, end), 0));
  if (::fdatasync(fd_) != 0 || std::rename(part_of(path_).c_str(), path_.c_str()) != 0)
    return disk_error();
  size_ += index.bytes().size();
  ::close(fd_);
  fd_ = -1;
  return ok_status();
}

Status VideoFile::repair(const std::string& path) {
  const int fd = ::open(part_of(path).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return disk_error();
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const Status busy = disk_error();
    ::close(fd);
    return busy;
  }
  // Its sides are the last two numbers of the header, which otherwise is always the same.
  std::vector<uint8_t> head = header(0, 0, {});
  const size_t at = head.size() - 8;
  const bool whole = read_at(fd, head, 0);
  const std::span<const uint8_t> read(head);
  const uint64_t height = big_endian(read.subspan(at));
  const uint64_t width = big_endian(read.subspan(at - 8 - 1 - kSizeBytes, 8));
  VideoFile file(path, fd, width, height);
  Status done = whole && head == header(width, height, {})
                    ? file.recount()
                    : data_loss("it is no video of inferd's");
  if (done.ok()) done = file.finish();
  if (done.code() == StatusCode::kUnavailable) ::close(std::exchange(file.fd_, -1));  // for later
  return done;
}

// Notes the pictures that are whole, and cuts off what comes after them.
Status VideoFile::recount() {
  struct stat found;
  if (::fstat(fd_, &found) != 0) return disk_error();
  size_ = header(0, 0, {}).size();
  const auto end = static_cast<uint64_t>(found.st_size);
  std::array<uint8_t, kPictureHead> head;
  while (end - size_ >= kPictureHead && read_at(fd_, head, size_)) {
    const std::span<const uint8_t> read(head);
    const uint64_t inside = big_endian(read.subspan(4, 8)) & kMaxSize;
    const uint64_t at_ms = big_endian(read.subspan(4 + 8 + 1 + 8, 8));
    const uint64_t jpeg_bytes = inside - std::min<uint64_t>(inside, kPictureHead - (4 + 8));
    if (picture_head(at_ms, jpeg_bytes).bytes() != std::vector(head.begin(), head.end())) break;
    if (jpeg_bytes > end - size_ - kPictureHead || at_ms < last_ms_) break;
    note(at_ms, kPictureHead + jpeg_bytes);
  }
  if (pictures_ == 0) return data_loss("it has no picture");
  return ::ftruncate(fd_, static_cast<off_t>(size_)) == 0 ? ok_status() : disk_error();
}

}  // namespace inferd::media
