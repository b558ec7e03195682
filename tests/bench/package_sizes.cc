// SPDX-License-Identifier: Apache-2.0
//
// How large a new version of a model is on its way to a machine that has the old one: as it is,
// compressed, and as a delta. Prints the rows of the table in docs/packages.md.
//
//   package-sizes OLD NEW       two files
//   package-sizes OLD --made    OLD, and what training might make of it: 5 % of all bytes one up or
//                               down; a third of the file, as the last layer, other numbers
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "package/delta.h"

namespace {

namespace fs = std::filesystem;
using inferd::Status;

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string nudged(std::string bytes) {
  std::mt19937 random(1);
  for (char& byte : bytes) {
    if (random() % 20 == 0) byte = static_cast<char>(byte + (random() % 2 == 0 ? 1 : -1));
  }
  return bytes;
}

std::string with_new_third(std::string bytes) {
  const auto third = static_cast<std::ptrdiff_t>(bytes.size() / 3);
  std::shuffle(bytes.begin() + third, bytes.begin() + 2 * third, std::mt19937(2));
  return bytes;
}

Status measure(const std::string& old_file, const std::string& new_file, const char* what,
               const std::string& folder) {
  const std::string content = read(new_file);
  for (const int level : {3, 9, 19}) {
    for (const std::string& base : {std::string(), old_file}) {
      const std::string encoded = folder + "/encoded";
      fs::remove(encoded);
      auto start = std::chrono::steady_clock::now();
      INFERD_RETURN_IF_ERROR(inferd::package::encode(new_file, base, encoded, level));
      const double encoding = seconds_since(start);
      std::string decoded;
      decoded.reserve(content.size());
      start = std::chrono::steady_clock::now();
      INFERD_RETURN_IF_ERROR(inferd::package::decode(
          encoded, base,
          [&](std::span<const std::byte> piece) {
            decoded.append(reinterpret_cast<const char*>(piece.data()), piece.size());
            return inferd::ok_status();
          },
          static_cast<int64_t>(content.size())));
      const double decoding = seconds_since(start);
      if (decoded != content) return inferd::internal_error("it was decoded to something else");
      const auto bytes = static_cast<double>(fs::file_size(encoded));
      std::printf("| %s | %s, level %d | %.0f kB | %.1f %% | %.2f s | %.0f ms |\n", what,
                  base.empty() ? "compressed" : "delta", level, bytes / 1e3,
                  100 * bytes / static_cast<double>(content.size()), encoding, 1e3 * decoding);
    }
  }
  return inferd::ok_status();
}

Status measure_all(const std::string& old_file, const std::string& other,
                   const std::string& folder) {
  if (other != "--made") return measure(old_file, other, "two files", folder);
  const std::string made = folder + "/made";
  std::ofstream(made) << nudged(read(old_file));
  INFERD_RETURN_IF_ERROR(measure(old_file, made, "5 % of bytes by one", folder));
  std::ofstream(made) << with_new_third(read(old_file));
  return measure(old_file, made, "a third anew", folder);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: package-sizes OLD NEW|--made\n");
    return 2;
  }
  std::string folder = fs::temp_directory_path() / "package-sizes-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  const Status status = measure_all(argv[1], argv[2], folder);
  fs::remove_all(folder);
  if (!status.ok()) std::fprintf(stderr, "package-sizes: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
