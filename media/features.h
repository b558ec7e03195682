// SPDX-License-Identifier: Apache-2.0
//
// Spectra, mel bands and cepstra of sounds and of other samples.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "inferd/engine/status.h"

struct kiss_fftr_state;

namespace inferd::media {

enum class WindowShape : uint8_t { kHann, kHamming, kRectangle };  // the first two periodic
enum class MelStyle : uint8_t {
  kTensorflow,  // mel = 1127 ln(1 + f/700), triangles straight in mel, bin 0 counts nowhere
  kLibrosa,     // Slaney's mel, triangles straight in Hz with an area of 1 (per Hz)
};
enum class LogKind : uint8_t { kNone, kNatural, kDecibel };

// The steps in their order; those of 0 or kNone are left out.
struct FeatureOptions {
  double rate_hz = 16000;
  int frame = 480, hop = 320;  // samples
  int points = 512;            // of the Fourier transform: even; zeros follow a shorter frame
  WindowShape window = WindowShape::kHann;
  int power = 1;  // 1: magnitudes, 2: their squares
  int bands = 0;  // of mel; 0: the points / 2 + 1 bins are kept
  double low_hz = 20, high_hz = 4000;
  MelStyle style = MelStyle::kTensorflow;
  LogKind log = LogKind::kNone;  // ln(x + offset), or 20 / power * log10(x + offset)
  double offset = 1e-6;
  // Of the cosine transform: c[k] = 2 / sqrt(2 n) * sum over j < n of x[j] cos(pi k (2j + 1) / 2n)
  int coefficients = 0;
};

// With style kTensorflow this is what tf.signal computes (stft, linear_to_mel_weight_matrix, log,
// mfccs_from_log_mel_spectrograms), with kLibrosa librosa.feature.melspectrogram of the inside of a
// sound (center=False). Used by one thread.
class Features {
 public:
  // INVALID_ARGUMENT says which option is wrong.
  static Result<Features> create(const FeatureOptions& options);
  Features(Features&&) noexcept;
  ~Features();

  const FeatureOptions& options() const { return options_; }
  int width() const;                // numbers of a frame
  int frames(int64_t count) const;  // of so many samples; what is left at the end counts nowhere

  // One frame of options().frame samples into width() numbers; both buffers are the caller's.
  void compute(std::span<const float> frame, std::span<float> out);

 private:
  // The bins that a band takes, and how much of each.
  struct Band {
    int first = 0;
    std::vector<float> weights;
  };
  struct Plan {
    void operator()(kiss_fftr_state* state) const;
  };

  explicit Features(const FeatureOptions& options);
  void make_bands();

  FeatureOptions options_;
  std::unique_ptr<kiss_fftr_state, Plan> plan_;
  std::vector<float> window_, padded_, spectrum_, bins_, values_;
  std::vector<Band> bands_;
  std::vector<float> cosines_;  // coefficients x inputs
};

}  // namespace inferd::media
