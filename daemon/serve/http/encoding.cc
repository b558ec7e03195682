// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/encoding.h"

#include <strings.h>
#include <zlib.h>

#include <array>

namespace inferd::serve {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

// zlib's argument: the largest window, and the format.
int window_bits(Encoding encoding) { return encoding == Encoding::kGzip ? 15 + 16 : 15; }

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Names of encodings are compared without regard to case.
bool is(std::string_view text, std::string_view word) {
  return text.size() == word.size() && ::strncasecmp(text.data(), word.data(), word.size()) == 0;
}

// "q=0", "q=0.000": not acceptable.
bool is_zero_weight(std::string_view parameter) {
  parameter = trimmed(parameter);
  if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) return false;
  return parameter.find_first_not_of("0.", 2) == std::string_view::npos;
}

Bytef* bytes_of(const char* text) {
  // zlib does not write to its input.
  return reinterpret_cast<Bytef*>(const_cast<char*>(text));
}

}  // namespace

std::string_view encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kGzip:
      return "gzip";
    case Encoding::kDeflate:
      return "deflate";
    case Encoding::kNone:
      break;
  }
  return "identity";
}

std::optional<Encoding> encoding_called(std::string_view header) {
  const std::string_view name = trimmed(header);
  for (const Encoding encoding : {Encoding::kNone, Encoding::kGzip, Encoding::kDeflate}) {
    if (is(name, encoding_name(encoding))) return encoding;
  }
  if (is(name, "x-gzip")) return Encoding::kGzip;
  return std::nullopt;
}

Encoding accepted_encoding(std::string_view header) {
  Encoding best = Encoding::kNone;
  while (!header.empty()) {
    const size_t end = std::min(header.find(','), header.size());
    const std::string_view item = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    const bool refused = semicolon < item.size() && is_zero_weight(item.substr(semicolon + 1));
    const std::string_view name = trimmed(item.substr(0, semicolon));
    if (refused) continue;
    if (is(name, "gzip")) return Encoding::kGzip;
    if (is(name, "deflate")) best = Encoding::kDeflate;
  }
  return best;
}

struct Unpacker::State {
  z_stream stream{};
  bool works = false;
  bool ended = false;
};

Unpacker::Unpacker(Encoding encoding) : state_(std::make_unique<State>()) {
  state_->works = inflateInit2(&state_->stream, window_bits(encoding)) == Z_OK;
}

Unpacker::~Unpacker() {
  if (state_->works) inflateEnd(&state_->stream);
}

Status Unpacker::add(std::string_view packed, const std::function<bool(std::string_view)>& take) {
  if (!state_->works) return resource_exhausted("no memory to unpack the body");
  z_stream& stream = state_->stream;
  stream.next_in = bytes_of(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::array<char, kPieceBytes> piece;
  // A full piece: there may be more, even though all input is taken.
  for (bool full = false; stream.avail_in > 0 || full;) {
    if (state_->ended) {
      if (stream.avail_in == 0) break;
      return invalid_argument("the compressed body has something behind its end");
    }
    stream.next_out = bytes_of(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    const size_t size = piece.size() - stream.avail_out;
    full = stream.avail_out == 0;
    state_->ended = code == Z_STREAM_END;
    if (size > 0 && !take({piece.data(), size})) break;
    // Z_BUF_ERROR: nothing more comes of this input.
    if (code == Z_BUF_ERROR) break;
    if (code != Z_OK && code != Z_STREAM_END)
      return invalid_argument("the compressed body is malformed");
  }
  return ok_status();
}

Status Unpacker::finish() const {
  return state_->ended ? ok_status() : invalid_argument("the compressed body ends too early");
}

std::optional<std::string> packed(std::string_view text, Encoding encoding) {
  constexpr int kMemoryLevel = 8;  // zlib's default
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_bits(encoding), kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string out(text.size(), '\0');
  stream.next_in = bytes_of(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = bytes_of(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);  // at once, or there is no room: it is not smaller
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END) return std::nullopt;
  return out;
}

}  // namespace inferd::serve
