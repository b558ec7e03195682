// SPDX-License-Identifier: Apache-2.0
//
// What several sinks do with their keys and results.
#pragma once

#include <sys/socket.h>

#include <map>
#include <set>
#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/keys.h"
#include "daemon/pipeline/result.h"
#include "daemon/pipeline/sink.h"

namespace inferd::pipeline {

// `text` with each {name} of `values` replaced.
std::string fill_in(std::string text, const std::map<std::string, std::string>& values);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// "1.2.3.4:5" or "[::1]:5", a port above 0; no names: to look them up may take long.
bool parse_address(const std::string& text, SocketAddress& out);
bool is_loopback(const SocketAddress& address);

// "class 3" where a class has no label.
std::string class_name(const std::string& label, int class_id);

// What tells the ways apart that results come to a sink: their node and source.
std::string way_of(const FrameResult& result);

// Which of a pipeline's results say something new: other labels, tracks or texts, or another best
// class, than the last result of the same node and source.
class Changes {
 public:
  bool changed(const FrameResult& result);

 private:
  std::map<std::string, std::set<std::string>> last_;  // by way_of()
};

// Which results a sink takes: every one, those with detections, or those that say something new.
class Choice {
 public:
  explicit Choice(std::string on) : on_(std::move(on)) {}
  // Reads `on`: every, detections or changes.
  static Choice from(config::NodeReader& reader, const std::string& fallback);
  bool takes(const FrameResult& result);

 private:
  const std::string on_;
  Changes changes_;
};

// What a sink that works on its own has to say: each trouble once.
class Troubles {
 public:
  Status next(const SinkStatus& status);

 private:
  std::string told_;
};

}  // namespace inferd::pipeline
