// SPDX-License-Identifier: Apache-2.0
//
// Metrics in Prometheus' text format. The only file pair that sees prometheus-cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/telemetry/histogram.h"

namespace inferd::telemetry {

// What is shown at one moment. Belongs to one thread.
class MetricsPage {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  MetricsPage();
  ~MetricsPage();

  // Series of one name stand together, with the help of the first; names and labels' names have
  // letters, digits and '_', values of labels anything.
  void counter(const std::string& name, const std::string& help, const Labels& labels,
               double value);
  void gauge(const std::string& name, const std::string& help, const Labels& labels, double value);
  // `counts` of each bucket alone, one more than bounds.
  void histogram(const std::string& name, const std::string& help, const Labels& labels,
                 std::span<const double> bounds, std::span<const uint64_t> counts, double sum);
  // In seconds.
  void histogram(const std::string& name, const std::string& help, const Labels& labels,
                 const DurationHistogram& durations);

  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace inferd::telemetry
