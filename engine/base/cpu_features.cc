// SPDX-License-Identifier: Apache-2.0
#include "engine/base/cpu_features.h"

#include <array>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace inferd {
namespace {

constexpr std::array<std::string_view, 8> kNames = {
    "portable", "avx2", "avx_vnni", "avx512_vnni", "neon", "neon_fp16", "neon_dot", "neon_i8mm"};

struct Features {
  std::array<bool, kNames.size()> has{};
};

Features detect() {
  Features features;
  auto set = [&](Isa isa, bool value) { features.has[static_cast<size_t>(isa)] = value; };
  set(Isa::kPortable, true);
#if defined(__x86_64__)
  __builtin_cpu_init();  // also asks the operating system whether it saves the wide registers
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & (1U << 29)) != 0;
  const bool avx_vnni = __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1U << 4)) != 0;
  set(Isa::kAvx2, avx2 && f16c);
  set(Isa::kAvxVnni, avx2 && f16c && avx_vnni);
  set(Isa::kAvx512Vnni,
      avx2 && f16c && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi"));
#elif defined(__aarch64__)
  // HWCAP, not the ID registers: reading those faults on some systems. Bits from the kernel's
  // arch/arm64/include/uapi/asm/hwcap.h.
  constexpr unsigned long kHwcapFpHp = 1UL << 9;
  constexpr unsigned long kHwcapAsimdHp = 1UL << 10;
  constexpr unsigned long kHwcapAsimdDp = 1UL << 20;
  constexpr unsigned long kHwcap2I8mm = 1UL << 13;
  set(Isa::kNeon, true);
  const unsigned long hwcap = getauxval(AT_HWCAP);
  set(Isa::kNeonFp16, (hwcap & kHwcapFpHp) != 0 && (hwcap & kHwcapAsimdHp) != 0);
  set(Isa::kNeonDot, (hwcap & kHwcapAsimdDp) != 0);
  set(Isa::kNeonI8mm, (hwcap & kHwcapAsimdDp) != 0 && (getauxval(AT_HWCAP2) & kHwcap2I8mm) != 0);
#endif
  return features;
}

}  // namespace

std::string_view isa_name(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::optional<Isa> isa_from_name(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Isa>(i);
  }
  return std::nullopt;
}

bool cpu_has(Isa isa) {
  static const Features features = detect();
  return features.has[static_cast<size_t>(isa)];
}

Isa best_isa() {
  for (size_t i = kNames.size(); i-- > 1;) {
    if (cpu_has(static_cast<Isa>(i))) return static_cast<Isa>(i);
  }
  return Isa::kPortable;
}

}  // namespace inferd
