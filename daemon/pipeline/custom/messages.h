// SPDX-License-Identifier: Apache-2.0
//
// What the daemon and a stage host (stage_host.cc) say to each other: packets of a socket pair.
//
//   daemon                         host
//   hello: library, symbol, keys -->
//                               <-- answer: its stage is made, or why not
//   frame [+ memory]            -->        memory: a memfd, when it is another one than before
//                               <-- answer: what was found, leave out, or what went wrong
//   ...
//
// Pictures and samples lie in the memory, which only the daemon writes; everything else is in the
// packets. Both are of one build; the host believes the daemon, and the daemon nothing.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "daemon/pipeline/custom/library.h"

namespace inferd::pipeline {

// The host refuses a daemon with another one: after an update, until the daemon starts again.
inline constexpr int kHostProtocol = 1;
inline constexpr size_t kMaxPacket = 128 << 10;
inline constexpr int kHostSocket = 3;  // of the host

using Bytes = std::vector<std::byte>;

// Detections, values and text that lie in a packet.
struct Findings {
  std::vector<inferd_stage_detection> detections;
  std::vector<inferd_stage_point> points;
  std::vector<inferd_stage_value> values;
  const char* text = nullptr;
};

// What a host answers.
struct HostAnswer {
  int code = INFERD_STAGE_OK;
  std::string error;  // with codes that are errors
  Findings findings;
  inferd_stage_output output{};  // of the findings
};

// Each replaces what `packet` held.
void pack_hello(const LibraryStage& stage, Bytes& packet);
// The frame's picture and samples lie in memory that begins at `memory`.
void pack_frame(const inferd_stage_frame& frame, const std::byte* memory, Bytes& packet);
void pack_answer(int code, const std::string& error, const inferd_stage_output& output,
                 Bytes& packet);

// False: it is no such packet. What is unpacked points into the packet (a frame also into memory
// that begins at `memory`) and is valid as long as that is.
bool unpack_hello(std::span<const std::byte> packet, LibraryStage& stage);
bool unpack_frame(std::span<const std::byte> packet, const std::byte* memory, Findings& findings,
                  inferd_stage_frame& frame);
bool unpack_answer(std::span<const std::byte> packet, HostAnswer& answer);

}  // namespace inferd::pipeline
