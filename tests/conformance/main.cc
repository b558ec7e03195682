// SPDX-License-Identifier: Apache-2.0
//
// Runs ONNX's backend test cases and holds them against two checked-in lists: the cases that pass,
// which may only grow, and those that are left out, with reasons.
//
//   onnx-conformance [--update] [--verbose] [PART_OF_A_NAME...]
//
// Exit status 0: every case of the list passes. 1: one does not, or the lists are wrong. 77: there
// is no data.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "tests/conformance/run_case.h"

namespace inferd::conformance {
namespace {

namespace fs = std::filesystem;

constexpr int kNoData = 77;
const std::vector<std::string> kFolders = {"node", "pytorch-converted", "pytorch-operator",
                                           "simple"};

// First words of the lines; what follows them is for people. '#' begins a comment.
std::vector<std::string> read_list(const std::string& path) {
  std::vector<std::string> names;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    if (words >> name && name[0] != '#') names.push_back(name);
  }
  return names;
}

// `pattern` may end in '*'.
bool matches(const std::string& name, const std::string& pattern) {
  if (pattern.back() != '*') return name == pattern;
  return name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
}

bool matches_any(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(name, pattern); });
}

// "node/test_abs", ...
std::vector<std::string> find_cases(const std::string& data) {
  std::vector<std::string> names;
  for (const std::string& folder : kFolders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fs::path(data) / folder, error)) {
      names.push_back(folder + "/" + entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Options {
  std::string data = "/usr/share/libonnx-testdata/data";
  std::string passing = "tests/conformance/passing.txt";
  std::string left_out = "tests/conformance/left_out.txt";
  std::vector<std::string> wanted;
  bool update = false;
  bool verbose = false;
};

class Report {
 public:
  explicit Report(const Options& options)
      : options_(options), left_out_(read_list(options.left_out)) {
    const std::vector<std::string> names = read_list(options.passing);
    passing_.insert(names.begin(), names.end());
  }

  void add(const std::string& name, const Outcome& outcome) {
    const std::string folder = name.substr(0, name.find('/'));
    const bool passed = outcome.verdict == Verdict::kPassed;
    const bool left_out = matches_any(name, left_out_);
    ++counts_[folder][left_out && !passed ? "left out" : verdict_name(outcome.verdict)];
    if (passed) passed_.insert(name);
    if (passed && left_out) complain(name, "passes, but is listed among those left out");
    if (!passed && passing_.contains(name)) {
      complain(name, std::string(verdict_name(outcome.verdict)) + ": " + outcome.reason);
    } else if (!passed && !left_out) {
      std::printf("%s %s: %s\n", name.c_str(), verdict_name(outcome.verdict),
                  outcome.reason.c_str());
    } else if (options_.verbose) {
      std::printf("%s %s\n", name.c_str(), verdict_name(outcome.verdict));
    }
  }

  bool finish() {
    for (const auto& [folder, verdicts] : counts_) {
      std::printf("%-18s", folder.c_str());
      for (const auto& [verdict, count] : verdicts) std::printf(" %s %d", verdict.c_str(), count);
      std::printf("\n");
    }
    std::vector<std::string> fresh;
    std::set_difference(passed_.begin(), passed_.end(), passing_.begin(), passing_.end(),
                        std::back_inserter(fresh));
    if (options_.update) {
      write_list();
    } else if (!fresh.empty()) {
      std::printf("%zu cases pass that the list does not have; add them with --update\n",
                  fresh.size());
    }
    return complaints_ == 0;
  }

 private:
  void complain(const std::string& name, const std::string& what) {
    std::printf("ERROR %s %s\n", name.c_str(), what.c_str());
    ++complaints_;
  }

  // Only adds: what passed once and does not pass now is an error, not an update.
  void write_list() {
    passing_.insert(passed_.begin(), passed_.end());
    std::ofstream file(options_.passing);
    file << "# ONNX's backend test cases that pass. Written by onnx-conformance --update, which "
            "only adds.\n";
    for (const std::string& name : passing_) file << name << "\n";
  }

  const Options& options_;
  const std::vector<std::string> left_out_;
  std::set<std::string> passing_;
  std::set<std::string> passed_;
  std::map<std::string, std::map<std::string, int>> counts_;  // by folder and verdict
  int complaints_ = 0;
};

int run(const Options& options) {
  const std::vector<std::string> cases = find_cases(options.data);
  if (cases.empty()) {
    std::fprintf(stderr, "SKIPPED: no test data in '%s' (Debian: libonnx-testdata)\n",
                 options.data.c_str());
    return kNoData;
  }
  Report report(options);
  for (const std::string& name : cases) {
    const auto wanted = [&](const std::string& part) { return name.find(part) != name.npos; };
    if (!options.wanted.empty() &&
        std::none_of(options.wanted.begin(), options.wanted.end(), wanted)) {
      continue;
    }
    report.add(name, run_case((fs::path(options.data) / name).string()));
  }
  return report.finish() ? 0 : 1;
}

}  // namespace
}  // namespace inferd::conformance

int main(int argc, char** argv) {
  inferd::conformance::Options options;
  CLI::App app("Runs ONNX's backend test cases");
  app.add_option("--data", options.data, "Folder with node/, simple/, ...")->capture_default_str();
  app.add_option("--passing", options.passing, "List of cases that pass")->capture_default_str();
  app.add_option("--left-out", options.left_out, "List of cases left out")->capture_default_str();
  app.add_flag("--update", options.update, "Add what passes now to the list");
  app.add_flag("--verbose", options.verbose, "Name the cases that pass, too");
  app.add_option("PART", options.wanted, "Only cases with one of these in their names");
  CLI11_PARSE(app, argc, argv);
  return inferd::conformance::run(options);
}
