#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Measures inferd beside ONNX Runtime (whole models) and Debian's XNNPACK (single convolutions), in turn, and
# what models take of memory, and writes the tables to docs/benchmarks.md. Takes about ten minutes on an idle
# machine. Nothing here is a test.
#
#   scripts/bench.sh [--rounds N]
#   scripts/bench.sh --memory        only the table of memory, which takes seconds
#   scripts/bench.sh --serving       only what clients of a daemon wait beyond the model, a minute or two
#   scripts/bench.sh --preprocess    only pictures on their way into models, beside OpenCV, a minute or two
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=7
parts="memory serving preprocess speed"
while [ $# -gt 0 ]; do
  case $1 in
    --rounds)
      [ $# -ge 2 ] || die "--rounds needs a number"
      rounds=$2
      shift 2
      ;;
    --memory | --serving | --preprocess)
      parts=${1#--}
      shift
      ;;
    *) die "unknown option '$1' (known: --rounds N, --memory, --serving, --preprocess)" ;;
  esac
done

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt packages-bench.txt)
command -v npm >/dev/null || install_packages npm
data=$("$root/scripts/fetch-test-data.sh") || die "ONNX Runtime cannot be fetched; see above"
case $(uname -m) in
  aarch64) arch=arm64 ;;
  *) arch=x64 ;;
esac
runtime=$(find "$data/node_modules/onnxruntime-node/bin" -path "*linux/$arch/libonnxruntime.so*" | head -n 1)
[ -n "$runtime" ] || die "no libonnxruntime for this machine in $data/node_modules/onnxruntime-node"

build=$root/build/bench
say "building"
cmake -S "$root" --preset release -B "$build" -DINFERD_BUILD_BENCHMARKS=ON >/dev/null
cmake --build "$build" --target side-by-side xnnpack-layers memory serving preprocess inferd inferd-python

models=$cache/bench
if ! cmp -s "$root/tests/bench/make_models.py" "$models/complete"; then
  say "generating models"
  /usr/bin/python3 "$root/tests/bench/make_models.py" "$models" >&2
  cp "$root/tests/bench/make_models.py" "$models/complete"
fi
real=${INFERD_TEST_MODELS:-$root/../shared/models}

# side_by_side TITLE MODEL...: a table of its own, with its own mean, on $threads threads.
side_by_side() {
  title=$1
  shift
  say "$title, $threads threads"
  printf '\n%s, %s thread(s):\n\n' "$title" "$threads"
  "$build/tests/bench/side-by-side" --onnxruntime "$runtime" --threads "$threads" --rounds "$rounds" "$@"
}

table=$(mktemp)
trap 'rm -f "$table"' EXIT

# write_between NAME: the table replaces what is between the document's marks of that name.
document=$root/docs/benchmarks.md
write_between() {
  sed -i -e "/^<!-- $1: begin -->/,/^<!-- $1: end -->/{
/^<!-- $1: begin -->/r $table
/^<!-- $1: /!d
}" "$document"
}

measure_memory() {
  echo "Commit $(git -C "$root" rev-parse --short HEAD), $(date -u +%Y-%m-%d), $(uname -m), \`scripts/bench.sh --memory\`."
  echo
  set -- "$models"/*.onnx
  for file in "$real"/onnx/*.onnx "$real"/tflite/*.tflite; do
    # Models with operators that the engine lacks stay out.
    [ -e "$file" ] && "$build/tests/bench/memory" "$file" >/dev/null 2>&1 && set -- "$@" "$file"
  done
  "$build/tests/bench/memory" "$@"
  echo
}

measure_serving() {
  echo "Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(uname -m), Linux $(uname -r),"
  echo "gRPC $(dpkg-query -W -f '${Version}' libgrpc++-dev)."
  echo "Commit $(git -C "$root" rev-parse --short HEAD), $(date -u +%Y-%m-%d), \`scripts/bench.sh --serving\`."
  echo
  set -- "$models/serving/pool.onnx"
  mobilenet=$real/tflite/mobilenet_v2_1.0_224_quant.tflite
  [ -e "$mobilenet" ] && set -- "$@" "$mobilenet"
  "$build/tests/bench/serving" --inferd "$build/daemon/inferd" --threads 1 --rounds "$rounds" "$@"
  echo
  if command -v valgrind >/dev/null; then
    PYTHONPATH=$build/clients/python /usr/bin/python3 "$root/tests/bench/serving/instructions.py" --inferd "$build/daemon/inferd" "$1"
    echo
  else
    say "no valgrind: instructions are not counted"
  fi
}

measure_preprocess() {
  echo "Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(uname -m)."
  echo "Commit $(git -C "$root" rev-parse --short HEAD), $(date -u +%Y-%m-%d), \`scripts/bench.sh --preprocess\`, $(c++ --version | head -n 1)."
  "$build/tests/bench/preprocess" "$rounds"
  echo
}

measure_speed() {
  echo "Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(uname -m)."
  echo "Commit $(git -C "$root" rev-parse --short HEAD), $(date -u +%Y-%m-%d), \`scripts/bench.sh --rounds $rounds\`,"
  echo "$(c++ --version | head -n 1)."
  for threads in 1 2; do
    for type in int8 f32; do
      set -- "$models"/*_$type.onnx
      [ $type = int8 ] && [ -e "$real/onnx/mobilenet_v2_quant.onnx" ] && set -- "$@" "$real/onnx/mobilenet_v2_quant.onnx"
      for name in FastestDet yunet_n_320_320 nanodet_m yolox_nano; do
        [ $type = f32 ] && [ -e "$real/onnx/$name.onnx" ] && set -- "$@" "$real/onnx/$name.onnx"
      done
      side_by_side "$type" "$@"
    done
    for type in int8 f32; do
      side_by_side "small networks, $type" "$models"/small/*_$type.onnx
    done
  done
  say "convolutions beside XNNPACK"
  printf '\nint8 convolutions, one thread, beside XNNPACK %s (outputs equal, bit for bit):\n\n' \
    "$(dpkg-query -W -f '${Version}' libxnnpack-dev)"
  "$build/tests/bench/xnnpack-layers" --rounds "$rounds"
  echo
}

for part in $parts; do
  say "$part"
  "measure_$part" >"$table"
  case $part in
    speed) write_between "side by side" ;;
    *) write_between "$part" ;;
  esac
done
say "written to $document"
