// SPDX-License-Identifier: Apache-2.0
//
// A street that was never filmed: people who walk, pass each other and go behind pillars, and what
// a detector that is not perfect says of them. The same on every machine.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/unit/pipeline/clear_mot.h"

namespace inferd::pipeline {

struct CrowdOptions {
  int people = 14;
  int frames = 600;
  double speed = 1;          // of people, times what is usual
  double noise = 0.03;       // standard deviation of each edge, parts of the person's height
  double missed = 0.08;      // of visible people
  double false_found = 0.3;  // per frame, at most 4
  uint32_t seed = 1;
};

struct CrowdFrame {
  std::vector<Labelled> people;  // that can be seen at least by a third
  std::vector<Detection> found;
};

class Crowd {
 public:
  static constexpr float kAspect = 16.F / 9.F;

  explicit Crowd(const CrowdOptions& options) : options_(options), random_(options.seed) {
    for (int i = 0; i < options.people; ++i) walkers_.push_back(enter(static_cast<double>(i)));
  }

  CrowdFrame next() {
    ++time_;
    CrowdFrame frame;
    for (Walker& w : walkers_) {
      w.x += w.speed;
      const double half = w.height / 2;
      if (w.x < -half || w.x > 1 + half) w = enter(w.speed > 0 ? 0 : 1);
    }
    for (const Walker& w : walkers_) see(w, frame);
    for (int i = 0; i < 4; ++i) {
      if (part() >= options_.false_found / 4) continue;
      const double height = 0.1 + 0.3 * part();
      frame.found.push_back(detection(box(part(), 0.3 + 0.6 * part(), height), 0.1 + 0.6 * part()));
    }
    return frame;
  }

 private:
  struct Walker {
    uint64_t id;
    double x, y;  // of the feet
    double height, speed, phase;
  };

  // Not std::uniform_real_distribution and std::normal_distribution: those differ between
  // libraries.
  double part() { return static_cast<double>(random_()) / 4294967296.0; }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - part()));
    return radius * std::cos(2 * 3.14159265358979 * part());
  }

  Walker enter(double where) {
    Walker w{};
    w.id = ++last_id_;
    w.height = 0.18 + 0.12 * part();
    w.y = 0.5 + 1.2 * (w.height - 0.18) + 0.1 * part();  // who is nearer is lower and larger
    const double speed = (0.004 + 0.012 * part()) * options_.speed;
    const bool to_the_right = where > 1 ? part() < 0.5 : where == 0;
    w.speed = to_the_right ? speed : -speed;
    w.x = where > 1 ? part() : (to_the_right ? -0.02 : 1.02);
    w.phase = part() * 6.28;
    return w;
  }

  // A person is 0.4 as wide as high, and bobs.
  Box box(double x, double feet, double height) const {
    const double half = 0.2 * height / double{kAspect};
    return {static_cast<float>(x - half), static_cast<float>(feet - height),
            static_cast<float>(x + half), static_cast<float>(feet)};
  }
  Box place(const Walker& w) const {
    return box(w.x, w.y + 0.01 * std::sin(0.4 * time_ + w.phase), w.height);
  }

  // Which part of a person nothing hides: pillars, and people who are nearer.
  double visible(const Walker& w) const {
    const Box own = place(w);
    double hidden = 0;
    for (const double pillar : {0.3, 0.68}) {
      const Box post{static_cast<float>(pillar), 0, static_cast<float>(pillar + 0.035), 1};
      hidden = std::max(hidden, covered(own, post));
    }
    for (const Walker& other : walkers_) {
      if (other.y > w.y) hidden = std::max(hidden, covered(own, place(other)));
    }
    const Box frame{0, 0, 1, 1};
    return std::min(1 - hidden, covered(own, frame));
  }
  static double covered(const Box& what, const Box& by) {
    const Box both{std::max(what.x_min, by.x_min), std::max(what.y_min, by.y_min),
                   std::min(what.x_max, by.x_max), std::min(what.y_max, by.y_max)};
    return double{area(both)} / double{area(what)};
  }

  Detection detection(const Box& where, double score) const {
    Detection d;
    d.box = where;
    d.score = static_cast<float>(score);
    return d;
  }

  // A detector is less sure of what it sees less of.
  void see(const Walker& w, CrowdFrame& frame) {
    const double seen = visible(w);
    if (seen < 1.0 / 3) return;
    const Box own = place(w);
    frame.people.push_back({w.id, own});
    const double missed = part();
    const double score = std::clamp(0.95 * seen + 0.06 * normal(), 0.05, 0.99);
    const auto off = [&] { return static_cast<float>(options_.noise * w.height * normal()); };
    Box found{own.x_min + off() / kAspect, own.y_min + off(), own.x_max + off() / kAspect,
              own.y_max + off()};
    if (missed < options_.missed) return;
    frame.found.push_back(detection(found, score));
  }

  const CrowdOptions options_;
  std::mt19937 random_;
  std::vector<Walker> walkers_;
  uint64_t last_id_ = 0;
  double time_ = 0;
};

}  // namespace inferd::pipeline
