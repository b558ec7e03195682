// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <sstream>

namespace inferd::telemetry {

struct MetricsPage::Families {
  std::vector<prometheus::MetricFamily> list;

  // A new series of the family.
  prometheus::ClientMetric& add(const std::string& name, const std::string& help,
                                prometheus::MetricType type, const Labels& labels) {
    auto family = std::find_if(list.begin(), list.end(),
                               [&](const auto& known) { return known.name == name; });
    if (family == list.end()) family = list.insert(list.end(), {name, help, type, {}});
    prometheus::ClientMetric& metric = family->metric.emplace_back();
    for (const auto& [label, value] : labels) metric.label.push_back({label, value});
    return metric;
  }
};

MetricsPage::MetricsPage() : families_(std::make_unique<Families>()) {}
MetricsPage::~MetricsPage() = default;

void MetricsPage::counter(const std::string& name, const std::string& help, const Labels& labels,
                          double value) {
  families_->add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void MetricsPage::gauge(const std::string& name, const std::string& help, const Labels& labels,
                        double value) {
  families_->add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricsPage::histogram(const std::string& name, const std::string& help, const Labels& labels,
                            std::span<const double> bounds, std::span<const uint64_t> counts,
                            double sum) {
  prometheus::ClientMetric::Histogram& histogram =
      families_->add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  histogram.sample_sum = sum;
  for (size_t i = 0; i < counts.size(); ++i) {
    histogram.sample_count += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
}

void MetricsPage::histogram(const std::string& name, const std::string& help, const Labels& labels,
                            const DurationHistogram& durations) {
  std::array<double, DurationHistogram::kBoundsNs.size()> bounds{};
  std::transform(DurationHistogram::kBoundsNs.begin(), DurationHistogram::kBoundsNs.end(),
                 bounds.begin(), [](int64_t ns) { return static_cast<double>(ns) / 1e9; });
  histogram(name, help, labels, bounds, durations.counts(),
            static_cast<double>(durations.sum_ns()) / 1e9);
}

std::string MetricsPage::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_->list);
  return out.str();
}

}  // namespace inferd::telemetry
