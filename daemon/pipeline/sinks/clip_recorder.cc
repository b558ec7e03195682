// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/clip_recorder.h"

#include <algorithm>
#include <cstdio>
#include <span>

#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/schedule/request.h"
#include "media/file.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kRetryNs = 1'000'000'000;
constexpr int64_t kTextBytes = 16 << 10;  // room for what is said beside a clip, about

std::string with_thousandths(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

}  // namespace

Status ClipRecorder::add(EncodedPicture picture, const FrameResult* event) {
  heard_ns_ = schedule::now_ns();
  const int64_t now = now_ns_ = picture.capture_ns;
  if (event != nullptr) {
    event_ = *event;
    event_ns_ = now;
  }
  const bool wanted = event_ns_ != 0 && now - event_ns_ <= options_.after_ns;
  Status status;
  if (file_ != nullptr) {
    const bool full = now - first_.capture_ns >= options_.max_clip_ns ||
                      file_->bytes() >= options_.max_clip_bytes;
    const bool same_size = picture.width == first_.width && picture.height == first_.height;
    if (!wanted || full || !same_size) status = finish();
  }
  if (!wanted) {
    remember(std::move(picture));
    return status;
  }
  if (file_ == nullptr && status.ok() && now >= retry_ns_) status = begin(picture);
  if (file_ != nullptr) status = append(picture);
  if (file_ == nullptr) ++dropped_;
  if (file_ != nullptr && event != nullptr) note(*event);
  return status;
}

void ClipRecorder::remember(EncodedPicture picture) {
  before_bytes_ += picture.jpeg.size();
  before_.push_back(std::move(picture));
  while (!before_.empty() &&
         (before_bytes_ > options_.before_bytes ||
          before_.front().capture_ns < before_.back().capture_ns - options_.before_ns)) {
    before_bytes_ -= before_.front().jpeg.size();
    before_.pop_front();
  }
}

// With what was seen before the event, as far as it is of this size.
Status ClipRecorder::begin(const EncodedPicture& first) {
  std::erase_if(before_, [&](const EncodedPicture& p) {
    return p.width != first.width || p.height != first.height ||
           p.capture_ns < first.capture_ns - options_.before_ns;
  });
  first_ = {{}, first.width, first.height, first.capture_ns};
  if (!before_.empty()) first_.capture_ns = before_.front().capture_ns;
  if (!found_) {
    const Status found = files_.find(prefix_, kVideo, [](const std::string& path) {
      (void)media::VideoFile::repair(path + kVideo);  // or it is gone, or stays for the next time
    });
    if (!found.ok()) return fail(found);
    found_ = true;
  }
  path_ = files_.new_path(prefix_, first_.capture_ns);
  if (!files_.take(kTextBytes)) return fail(resource_exhausted("clips take all of 'max_bytes'"));
  taken_bytes_ = kTextBytes;
  auto file = media::VideoFile::create(path_ + kVideo, first.width, first.height);
  if (!file.ok()) return fail(file.status());
  file_ = std::move(*file);
  first_event_ = event_;
  seen_.clear();
  const std::deque<EncodedPicture> before = std::move(before_);
  before_.clear();
  before_bytes_ = 0;
  for (const EncodedPicture& picture : before) INFERD_RETURN_IF_ERROR(append(picture));
  return ok_status();
}

Status ClipRecorder::append(const EncodedPicture& picture) {
  const auto bytes = static_cast<int64_t>(picture.jpeg.size());
  if (!files_.take(bytes)) return fail(resource_exhausted("clips take all of 'max_bytes'"));
  taken_bytes_ += bytes;
  const Status added = file_->add(picture.jpeg, picture.capture_ns - first_.capture_ns);
  if (!added.ok()) return fail(added);
  last_ns_ = picture.capture_ns;
  return ok_status();
}

Status ClipRecorder::fail(const Status& why) {
  if (file_ != nullptr) dropped_ += file_->pictures();
  file_.reset();
  files_.give_back(std::exchange(taken_bytes_, 0));
  failed_ = true;
  retry_ns_ = now_ns_ + kRetryNs;
  return unavailable("cannot record in '" + files_.folder() + "': " + why.message());
}

Status ClipRecorder::finish() {
  if (file_ == nullptr) return ok_status();
  const std::string about = text();
  const Status finished = file_->finish();
  if (!finished.ok()) return fail(finished);
  files_.add(path_, taken_bytes_);
  taken_bytes_ = 0;
  file_.reset();
  failed_ = false;
  return media::write_file(path_ + kText, std::as_bytes(std::span(about)));
}

void ClipRecorder::note(const FrameResult& event) {
  std::map<std::string, float> best;
  for (const Detection& d : event.detections) {
    if (!options_.wanted.takes(d)) continue;
    float& score = best[class_name(d.label, d.class_id)];
    score = std::max(score, d.score);
  }
  for (const auto& [label, score] : best) {
    Seen& seen = seen_[label];
    ++seen.frames;
    seen.best_score = std::max(seen.best_score, score);
  }
}

std::string ClipRecorder::text() const {
  std::string out = "{\"clip\":";
  append_json_text(path_.substr(files_.folder().size() + 1) + kVideo, out);
  out += ",\"begin\":\"" + utc_text(first_.capture_ns) + "\",\"seconds\":" +
         with_thousandths(static_cast<double>(last_ns_ - first_.capture_ns) / 1e9) +
         ",\"pictures\":" + std::to_string(file_->pictures()) + ",\"seen\":[";
  for (const auto& [label, seen] : seen_) {
    out += out.back() == '[' ? "{\"label\":" : ",{\"label\":";
    append_json_text(label, out);
    out += ",\"frames\":" + std::to_string(seen.frames) +
           ",\"best_score\":" + with_thousandths(static_cast<double>(seen.best_score)) + "}";
  }
  out += "],\"event\":";
  append_json(first_event_, out);
  out += "}\n";
  return out;
}

}  // namespace inferd::pipeline
