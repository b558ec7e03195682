// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

namespace inferd {

// What ONNX Runtime 1.30.0 gives for the first frames (512 samples, with the 64 before each, at
// first zeros) of silero_test.wav by Silero VAD v5, its state output handed back each time.
inline constexpr std::array kSileroReference = {
    0.4651F, 0.7384F, 0.8763F, 0.9574F, 0.9656F, 0.9954F, 0.9969F, 0.9969F, 0.9968F, 0.9968F,
    0.9969F, 0.9962F, 0.9967F, 0.9991F, 0.9996F, 0.9988F, 0.9946F, 0.9698F, 0.9925F, 0.9996F,
    0.9996F, 0.9995F, 0.9996F, 0.9987F, 0.9990F, 0.9992F, 0.9996F, 0.9997F, 0.9997F, 0.9997F,
    0.9997F, 0.9997F, 0.9989F, 0.9994F, 0.9999F, 0.9998F, 0.9998F, 0.9988F, 0.9970F, 0.9776F};

}  // namespace inferd
