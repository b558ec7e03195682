#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Simulates the inner loops of the arm64 kernels with llvm-mca's models of several cores and prints, as a
# Markdown table, multiply-accumulates per cycle and how much that is of the peak: what the same model
# gives for the loop's multiply instruction alone, without dependencies. Loads always hit the first-level
# cache. The loops are taken from the optimised build: the innermost ones with the most
# multiply-accumulates.
#
#   scripts/mca.sh [-v]      -v: also the loops and their bottlenecks
#
# Needs scripts/test-arm64.sh's build and llvm-mca, best of LLVM 19 or later; MCA names another one.
# shellcheck disable=SC2086 # lists of cores
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
kernels=${KERNELS:-$here/build/arm64-engine/engine/CMakeFiles/inferd-engine.dir/kernels}
mca=${MCA:-$(command -v llvm-mca-19 || command -v llvm-mca)}
cores="cortex-a53 cortex-a55 cortex-a72 cortex-a76 neoverse-n1 cortex-a510 neoverse-n2"
verbose=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# simulate CORE FILE [OPTION...]: cycles of one iteration
simulate() {
  core=$1 file=$2
  shift 2
  "$mca" -mtriple=aarch64 -mcpu="$core" -mattr=+dotprod,+i8mm,+fullfp16 -iterations=200 "$@" "$file" 2>/dev/null |
    tee "$work/report" | awk '/^Total Cycles/ {print $3 / 200}'
}

# extract FOLDER INSTRUCTION MACS: of a folder's innermost loops with this instruction, the shortest with the most
# multiply-accumulates, or with MACS of them if that is not 0, stores of bytes included. Their number is in the
# first line.
extract() {
  aarch64-linux-gnu-objdump -d --no-show-raw-insn "$kernels/$1/kernels.cc.o" | awk -v wanted="$2" -v exact="$3" '
    function macs(text) {
      if (text ~ /^smmla/) return 32
      if (text ~ /^sdot/) return 16
      if (text ~ /^fmla[ \t]+v[0-9]+\.8h/) return 8
      if (text ~ /^sml[al]+2?[ \t]+v[0-9]+\.8h/ || text ~ /^smull2?[ \t]+v[0-9]+\.8h/) return 8
      if (text ~ /^(smlal2?|smull2?|fmla)[ \t]+v[0-9]+\.4s/) return 4
      return 0
    }
    function flush(   i, j, first, nested, sum, has, stores) {
      for (i = 0; i < n; ++i) {
        if (target[i] == "" || !(target[i] in at) || at[target[i]] > i) continue
        first = at[target[i]]; nested = sum = has = stores = 0
        for (j = first; j <= i; ++j) {
          sum += macs(line[j])
          if (line[j] ~ wanted) has = 1
          if (line[j] ~ /^fcvtns/) stores = 1
          if (j < i && target[j] != "" && (target[j] in at) && at[target[j]] <= j && at[target[j]] >= first) nested = 1
        }
        if (!nested && has && (exact > 0 ? sum == exact && stores : !stores) && (sum > best || (sum == best && i - first < length_of_best))) {
          best = sum; length_of_best = i - first; loop = ""
          for (j = first; j <= i; ++j) {
            if (target[j] != "") sub(/[0-9a-f]+ <.*/, ".", line[j])
            loop = loop line[j] "\n"
          }
        }
      }
      n = 0; delete at
    }
    /^[0-9a-f]+ <.*>:$/ { flush(); next }
    /^ +[0-9a-f]+:/ {
      address = $1; sub(":", "", address)
      sub(/^ +[0-9a-f]+:[ \t]*/, ""); sub(/[ \t]*\/\/.*/, "")
      line[n] = $0; at[address] = n; target[n] = ""
      if (/^(b\.|cbn?z|tbn?z|b[ \t])/ && match($0, /[0-9a-f]+ <.*/)) {
        split(substr($0, RSTART), t, " "); target[n] = t[1]
      }
      ++n
    }
    END { flush(); printf "# macs %d\n%s", best, loop }'
}

# row LABEL FOLDER LOOP_MACS INSTRUCTION MACS USEFUL CORE...: INSTRUCTION with ACC for its accumulator does MACS
# multiply-accumulates; USEFUL is the part of them that is not padding.
row() {
  label=$1 unit=$4 unit_macs=$5 useful=$6
  shape=${unit#*ACC.}
  extract "$2" "^${unit%% *}[ \t]+v[0-9]+[.]${shape%%,*}" "$3" >"$work/loop.s"
  shift 6
  for i in 0 1 2 3 4 5 6 16 17 18 19 20 21 22 23 24; do
    echo "$unit" | sed "s/ACC/v$i/"
  done >"$work/peak.s"
  [ "$verbose" != -v ] || { echo; echo "$label"; cat "$work/loop.s"; } >&2
  printf '| %s |' "$label"
  for core in $cores; do
    case " $* " in
      *" $core "*) ;;
      *) printf ' |'; continue ;;
    esac
    peak=$(simulate "$core" "$work/peak.s")
    cycles=$(simulate "$core" "$work/loop.s" -bottleneck-analysis)
    [ "$verbose" != -v ] || { echo "== $core"; sed -n '/^Iterations/,/^Instruction Info/p' "$work/report"; } >&2
    awk -v useful="$useful" -v cycles="$cycles" -v peak="$peak" -v macs="$unit_macs" 'NR == 1 {
      got = $3 * useful / cycles; most = 16 * macs / peak
      printf " %.1f of %.0f (%.0f %%) |", got, most, 100 * got / most
    }' "$work/loop.s"
  done
  echo
}

"$mca" --version | awk '/LLVM version/ {print "LLVM " $NF}'
echo "GCC $(aarch64-linux-gnu-g++ -dumpfullversion)"
echo
echo "| loop | $(echo "$cores" | sed 's/ / | /g') |"
echo "|---|$(echo "$cores" | sed 's/[^ ]*/---:|/g; s/ //g')"
plain="cortex-a53 cortex-a72"
dot="cortex-a55 cortex-a76 neoverse-n1"
i8mm="cortex-a510 neoverse-n2"
row "int8 2 x 8, smull and smlal in pairs" neon 0 "smull ACC.8h, v30.8b, v31.8b" 8 1 "$plain"
row "int8 depthwise 3x3, the same" neon 144 "smull ACC.8h, v30.8b, v31.8b" 8 1 "$plain"
row "int16 4 x 16, smlal (unusual weights)" neon 0 "smlal ACC.4s, v30.4h, v7.h[1]" 4 1 "$plain"
row "float32 8 x 8, fmla" neon 0 "fmla ACC.4s, v30.4s, v7.s[1]" 4 1 "$plain $dot"
row "float16 8 x 16, fmla" neon_fp16 0 "fmla ACC.8h, v30.8h, v7.h[1]" 8 1 "$dot"
row "int8 8 x 8, sdot" neon_dot 0 "sdot ACC.4s, v30.16b, v31.4b[1]" 16 1 "$dot"
row "int8 depthwise 3x3, sdot" neon_dot 576 "sdot ACC.4s, v30.16b, v31.16b" 16 0.75 "$dot"
row "int8 4 x 16, smmla" neon_i8mm 0 "smmla ACC.4s, v30.16b, v31.16b" 32 1 "$i8mm"
