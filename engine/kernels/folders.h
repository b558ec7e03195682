// SPDX-License-Identifier: Apache-2.0
//
// What each folder of kernels brings; candidates.cc puts them together.
#pragma once

#include <span>

#include "engine/kernels/kernel.h"

namespace inferd::kernels {

namespace portable {
std::span<const Kernel> rows();
}
namespace openblas {
std::span<const Kernel> rows();
}
namespace avx2 {
std::span<const Kernel> rows();
}
namespace avx_vnni {
std::span<const Kernel> rows();
}
namespace avx512_vnni {
std::span<const Kernel> rows();
}
namespace neon {
std::span<const Kernel> rows();
std::span<const Kernel> elementwise_rows();
}  // namespace neon
namespace neon_fp16 {
std::span<const Kernel> rows();
}
namespace neon_dot {
std::span<const Kernel> rows();
}
namespace neon_i8mm {
std::span<const Kernel> rows();
}

}  // namespace inferd::kernels
