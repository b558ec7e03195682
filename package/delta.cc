// SPDX-License-Identifier: Apache-2.0
#include "package/delta.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <string_view>
#include <vector>

#include "package/file.h"

namespace inferd::package {
namespace {

using Bytes = std::span<const std::byte>;

// What a frame without a base may want; zstd's compressor wants no more at any level.
constexpr int kPlainWindowLog = 27;
// What zstd takes everywhere: more is for 64-bit machines only.
constexpr int kMinWindowLog = 10, kMaxWindowLog = 30;

struct Free {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// The logarithm of a window from whose end everything before is seen.
int window_log(uint64_t bytes) {
  return std::clamp(static_cast<int>(std::bit_width(bytes)), kMinWindowLog, kMaxWindowLog);
}

// Settings that zstd refuses are mistakes of this file, but for memory.
Status set_up(size_t result) {
  if (ZSTD_isError(result) == 0) return ok_status();
  return resource_exhausted(std::string("zstd: ") + ZSTD_getErrorName(result));
}

Status set_up_encoder(ZSTD_CCtx* context, Bytes content, Bytes base, int level) {
  const auto set = [&](ZSTD_cParameter what, int value) {
    return set_up(ZSTD_CCtx_setParameter(context, what, value));
  };
  INFERD_RETURN_IF_ERROR(set(ZSTD_c_compressionLevel, level));
  INFERD_RETURN_IF_ERROR(set(ZSTD_c_checksumFlag, 1));
  INFERD_RETURN_IF_ERROR(set_up(ZSTD_CCtx_setPledgedSrcSize(context, content.size())));
  if (base.empty()) return ok_status();
  // The base is forgotten where the window ends, and no level's hash table remembers all of a large
  // one: long distance matching does.
  INFERD_RETURN_IF_ERROR(set(ZSTD_c_windowLog, window_log(base.size() + content.size())));
  INFERD_RETURN_IF_ERROR(set(ZSTD_c_enableLongDistanceMatching, 1));
  return set_up(ZSTD_CCtx_refPrefix(context, base.data(), base.size()));
}

Status damaged(std::string_view how) {
  return data_loss("the compressed file is damaged, or made for another base: " + std::string(how));
}

// Whether the header says `expected_bytes`: what the frame may take in memory follows from it.
Status check_size(Bytes encoded, uint64_t expected_bytes) {
  const unsigned long long bytes = ZSTD_getFrameContentSize(encoded.data(), encoded.size());
  if (bytes == ZSTD_CONTENTSIZE_ERROR) return damaged("no Zstandard frame begins there");
  if (bytes == ZSTD_CONTENTSIZE_UNKNOWN) return damaged("it does not tell its content's size");
  if (bytes == expected_bytes) return ok_status();
  return damaged("it holds " + std::to_string(bytes) + " bytes, not " +
                 std::to_string(expected_bytes));
}

Status set_up_decoder(ZSTD_DCtx* context, Bytes base, uint64_t expected_bytes) {
  const int all = window_log(base.size() + expected_bytes);
  const int most = base.empty() ? std::min(all, kPlainWindowLog) : all;
  INFERD_RETURN_IF_ERROR(set_up(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, most)));
  if (base.empty()) return ok_status();
  return set_up(ZSTD_DCtx_refPrefix(context, base.data(), base.size()));
}

Result<Mapping> map(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const InputFile file, InputFile::open(path));
  return Mapping::of(file);
}

Result<Mapping> map_base(const std::string& path) {
  if (path.empty()) return Mapping();
  return map(path);
}

}  // namespace

Status encode(const std::string& content, const std::string& base, const std::string& output,
              int level) {
  if (level < kMinLevel || level > kMaxLevel) {
    return invalid_argument("there is no compression level " + std::to_string(level) + "; it is " +
                            std::to_string(kMinLevel) + " to " + std::to_string(kMaxLevel));
  }
  INFERD_ASSIGN_OR_RETURN(const Mapping new_file, map(content));
  INFERD_ASSIGN_OR_RETURN(const Mapping old_file, map_base(base));
  const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  if (context == nullptr) return resource_exhausted("no memory to compress '" + content + "'");
  INFERD_RETURN_IF_ERROR(set_up_encoder(context.get(), new_file.bytes(), old_file.bytes(), level));
  INFERD_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(output, 0644));
  std::vector<std::byte> buffer(ZSTD_CStreamOutSize());
  ZSTD_inBuffer in{new_file.bytes().data(), new_file.bytes().size(), 0};
  size_t left = 1;
  while (left != 0) {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    left = ZSTD_compressStream2(context.get(), &out, &in, ZSTD_e_end);
    INFERD_RETURN_IF_ERROR(set_up(left));
    INFERD_RETURN_IF_ERROR(file.write(Bytes(buffer).first(out.pos)));
  }
  return file.finish();
}

Status decode(Bytes encoded, Bytes base, const Sink& sink, int64_t expected_bytes) {
  const auto expected = static_cast<uint64_t>(std::max<int64_t>(expected_bytes, 0));
  INFERD_RETURN_IF_ERROR(check_size(encoded, expected));
  const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  if (context == nullptr) return resource_exhausted("no memory to decompress");
  INFERD_RETURN_IF_ERROR(set_up_decoder(context.get(), base, expected));
  std::vector<std::byte> buffer(ZSTD_DStreamOutSize());
  ZSTD_inBuffer in{encoded.data(), encoded.size(), 0};
  uint64_t decoded = 0;
  while (true) {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    const size_t left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left) != 0) return damaged(ZSTD_getErrorName(left));
    if (out.pos > expected - decoded) return damaged("it holds more bytes than it says");
    decoded += out.pos;
    if (out.pos != 0) INFERD_RETURN_IF_ERROR(sink(Bytes(buffer).first(out.pos)));
    if (left == 0) break;
    // Room in the output and no more input: there is nothing that could come.
    if (in.pos == in.size && out.pos < out.size) return damaged("it ends too early");
  }
  if (in.pos != in.size) return damaged("something follows its frame");
  if (decoded != expected) return damaged("it holds fewer bytes than it says");
  return ok_status();
}

Status decode(const std::string& encoded, const std::string& base, const Sink& sink,
              int64_t expected_bytes) {
  INFERD_ASSIGN_OR_RETURN(const Mapping frame, map(encoded));
  INFERD_ASSIGN_OR_RETURN(const Mapping old_file, map_base(base));
  return decode(frame.bytes(), old_file.bytes(), sink, expected_bytes);
}

}  // namespace inferd::package
