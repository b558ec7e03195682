// SPDX-License-Identifier: Apache-2.0
//
//   make-tflite-seeds FOLDER
//
// Writes the made models of tests/models as seeds, those of forms that no model at hand has.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/models/made_tflite.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make-tflite-seeds FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  for (const inferd::MadeModel& made : inferd::made_tflite_models()) {
    std::ofstream file(folder / (made.name + ".tflite"), std::ios::binary);
    file << made.bytes;
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write into '%s'\n", argv[1]);
      return 1;
    }
  }
  return 0;
}
