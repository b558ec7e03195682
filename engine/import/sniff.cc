// SPDX-License-Identifier: Apache-2.0
//
// The formats that were compiled in, in the order in which they are tried.

#include "engine/import/ifd/ifd.h"
#include "engine/import/import.h"
#include "engine/import/onnx/onnx.h"
#include "engine/import/tflite/tflite.h"

namespace inferd::import {
namespace {

const Format kFormats[] = {
#if defined(INFERD_COMPILED_MODELS)
    {"ifd", sniff_ifd, nullptr, nullptr, import_ifd},
#endif
#if defined(INFERD_READ_TFLITE)
    {"tflite", sniff_tflite, read_tflite, lower_tflite},
#endif
#if defined(INFERD_READ_ONNX)
    {"onnx", sniff_onnx, read_onnx, lower_onnx},
#endif
    {nullptr, nullptr, nullptr, nullptr},  // keeps the array legal in a build without readers
};

}  // namespace

std::span<const Format> formats() { return std::span(kFormats).first(std::size(kFormats) - 1); }

}  // namespace inferd::import
