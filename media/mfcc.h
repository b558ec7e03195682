// SPDX-License-Identifier: Apache-2.0
//
// What keyword spotting hears of a second of sound.
#pragma once

#include <array>
#include <span>

namespace inferd::media {

inline constexpr int kKeywordRate = 16000;  // samples per second
inline constexpr size_t kKeywordFrames = 49;
inline constexpr size_t kKeywordCoefficients = 10;

// The features of MLPerf Tiny's keyword spotting (mlcommons/tiny, benchmark/training/
// keyword_spotting/get_dataset.py, feature type "mfcc"). `samples` are at kKeywordRate; what is
// missing to a second is silence, what is beyond it is ignored.
//
// The second is divided by its largest sample (where that is above 0). Of each frame of 480
// samples, 320 apart, under a periodic Hann window: the magnitudes m of a Fourier transform of 512
// points; 40 triangles between 20 and 4000 Hz that are even in mel (1127 ln(1 + f/700)), weights
// straight in mel and without bin 0; l = ln(sum + 1e-6); coefficient k is
// 2 / sqrt(80) * sum over j of l[j] cos(pi k (2j + 1) / 80).
// Returns frame by frame, kKeywordCoefficients each.
std::array<float, kKeywordFrames * kKeywordCoefficients> keyword_mfcc(
    std::span<const float> samples);

}  // namespace inferd::media
