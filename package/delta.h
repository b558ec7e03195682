// SPDX-License-Identifier: Apache-2.0
//
// Files on their way: compressed, or as what differs from a file that is there already. Either is
// one Zstandard frame (RFC 8878) with its content's size in the header and a checksum at the end.
// A delta is compressed with the older file, the base, before it, whose parts it repeats; that is
// the format of `zstd --patch-from`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "inferd/engine/status.h"

namespace inferd::package {

inline constexpr int kMinLevel = 1, kMaxLevel = 22;  // fast and large; slow and small

// Makes the file `output`, which must not exist, of the file `content`, as a delta to the file
// `base` unless that is empty. It takes memory as the level wants, some 130 MiB at level 19, and
// for a delta as much as the content has. INVALID_ARGUMENT: another level; ALREADY_EXISTS,
// NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAVAILABLE: a file cannot be read or written.
// Nobody may truncate the files meanwhile, here and below: they are mapped.
Status encode(const std::string& content, const std::string& base, const std::string& output,
              int level);

// Gets the content in pieces, in order. An error ends the decoding.
using Sink = std::function<Status(std::span<const std::byte>)>;

// Decodes what encode() made, which may be anybody's bytes. `sink` gets `expected_bytes` in all, or
// a part of them before an error; nothing else is kept in memory than a window of what came last,
// which a delta may want to be as large as the content, and a compressed file 128 MiB.
// DATA_LOSS: the frame is damaged, holds another number of bytes, or belongs to another base. That
// the content is the right one, only its SHA-256 says. Errors of the sink and of reading files are
// returned as they are.
Status decode(const std::string& encoded, const std::string& base, const Sink& sink,
              int64_t expected_bytes);

// The same in memory.
Status decode(std::span<const std::byte> encoded, std::span<const std::byte> base, const Sink& sink,
              int64_t expected_bytes);

}  // namespace inferd::package
