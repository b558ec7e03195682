// SPDX-License-Identifier: Apache-2.0
//
// How well tracks follow what is really there: the CLEAR MOT measures (Bernardin and Stiefelhagen,
// "Evaluating Multiple Object Tracking Performance", EURASIP J. Image and Video Processing 2008).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "daemon/pipeline/track/assignment.h"
#include "daemon/pipeline/track/overlap.h"

namespace inferd::pipeline {

struct Labelled {
  uint64_t id;
  Box box;
};

// Frame by frame. An object and a hypothesis can be the same when they overlap by at least 0.5. A
// pair of the frame before stays one while it can; the others are chosen so that they overlap most.
class ClearMot {
 public:
  void frame(std::span<const Labelled> objects, std::span<const Labelled> hypotheses) {
    objects_ += static_cast<int64_t>(objects.size());
    std::vector<char> object_taken(objects.size(), 0);
    std::vector<char> hypothesis_taken(hypotheses.size(), 0);
    std::map<uint64_t, uint64_t> pairs;
    const auto pair = [&](size_t o, size_t h) {
      object_taken[o] = hypothesis_taken[h] = 1;
      pairs[objects[o].id] = hypotheses[h].id;
    };
    for (size_t o = 0; o < objects.size(); ++o) {
      const auto before = pairs_.find(objects[o].id);
      for (size_t h = 0; before != pairs_.end() && h < hypotheses.size(); ++h) {
        if (hypotheses[h].id == before->second &&
            overlap(objects[o].box, hypotheses[h].box) >= kLeast)
          pair(o, h);
      }
    }
    std::vector<float> weights;
    for (size_t o = 0; o < objects.size(); ++o) {
      for (size_t h = 0; h < hypotheses.size(); ++h) {
        const float shared = overlap(objects[o].box, hypotheses[h].box);
        const bool possible = object_taken[o] == 0 && hypothesis_taken[h] == 0 && shared >= kLeast;
        weights.push_back(possible ? shared : 0);
      }
    }
    const auto chosen = assignment_.solve(weights, objects.size(), hypotheses.size());
    for (size_t o = 0; o < objects.size(); ++o) {
      if (chosen[o] != Assignment::kNone) pair(o, static_cast<size_t>(chosen[o]));
    }
    misses_ += static_cast<int64_t>(objects.size() - pairs.size());
    false_positives_ += static_cast<int64_t>(hypotheses.size() - pairs.size());
    for (const auto& [object, hypothesis] : pairs) {
      const auto last = last_.find(object);
      if (last != last_.end() && last->second != hypothesis) ++switches_;
      last_[object] = hypothesis;
    }
    pairs_ = std::move(pairs);
  }

  double mota() const {
    return 1 - static_cast<double>(misses_ + false_positives_ + switches_) /
                   static_cast<double>(std::max<int64_t>(objects_, 1));
  }
  int64_t objects() const { return objects_; }
  int64_t misses() const { return misses_; }
  int64_t false_positives() const { return false_positives_; }
  int64_t switches() const { return switches_; }  // objects that got another identity than before

 private:
  static constexpr float kLeast = 0.5F;
  int64_t objects_ = 0, misses_ = 0, false_positives_ = 0, switches_ = 0;
  std::map<uint64_t, uint64_t> pairs_;  // of the last frame: the hypothesis of each object
  std::map<uint64_t, uint64_t> last_;   // the last hypothesis that each object ever had
  Assignment assignment_;
};

}  // namespace inferd::pipeline
