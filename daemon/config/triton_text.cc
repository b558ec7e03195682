// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/triton_text.h"

#include <google/protobuf/io/tokenizer.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/config/yaml.h"

namespace inferd::config {
namespace {

constexpr int kMaxDepth = 32;

// Triton's fields that are left out of our message, and why they mean nothing here.
struct Unused {
  std::string_view field, reason;
};
constexpr std::array<Unused, 17> kUnused = {{
    {"cc_model_filenames", "one file serves every machine"},
    {"format", "tensors are taken as the model has them"},
    {"gpus", "models run on the CPU"},
    {"host_policy", "models run on the CPU"},
    {"is_shape_tensor", "only TensorRT has such tensors"},
    {"metric_tags", "metrics have the model's name and version"},
    {"model_metrics", "metrics are the same for all models"},
    {"model_operations", "operators of other libraries are not loaded"},
    {"model_warmup", "batches of every size are planned at start"},
    {"optimization", "the engine optimises every model by itself"},
    {"optional", "every request has to bring the input"},
    {"passive", "all instances serve"},
    {"profile", "only TensorRT has such profiles"},
    {"rate_limiter", "see 'weight' and 'real_time' of model.yaml"},
    {"runtime", "there is one engine"},
    {"secondary_devices", "models run on the CPU"},
    {"use_growable_memory", "the engine plans its memory by itself"},
}};

// The parser's "Message type "inference.ModelConfig" has no field named "x"." in our words.
std::string unused(const std::string& message) {
  std::vector<std::string> quoted;
  size_t begin = message.find('"');
  while (begin != std::string::npos) {
    const size_t end = message.find('"', begin + 1);
    if (end == std::string::npos) break;
    quoted.push_back(message.substr(begin + 1, end - begin - 1));
    begin = message.find('"', end + 1);
  }
  if (quoted.size() != 2) return message;
  const std::string& field = quoted[1];
  const auto known = std::find_if(kUnused.begin(), kUnused.end(),
                                  [&](const Unused& row) { return row.field == field; });
  if (known == kUnused.end()) {
    const std::string type = quoted[0].substr(quoted[0].rfind('.') + 1);
    return "'" + field + "' of " + type + " is not known here and has no effect";
  }
  return "'" + field + "' has no effect: " + std::string(known->reason);
}

// protobuf's own class; the names of its functions are not ours.
class Collector : public google::protobuf::io::ErrorCollector {
 public:
  explicit Collector(TritonText& text) : text_(text) {}

  void AddError(int line, int column, const std::string& message) override {
    errors.add(mark(line, column), message);
  }
  void AddWarning(int line, int column, const std::string& message) override {
    constexpr size_t kMaxNotes = 100;
    if (text_.notes.size() >= kMaxNotes) return;
    text_.notes.push_back(mark(line, column).to_string() + ": " + unused(message));
  }
  Errors errors;

 private:
  Mark mark(int line, int column) const {
    return {text_.file, std::max(line, 0) + 1, std::max(column, 0) + 1};
  }
  TritonText& text_;
};

}  // namespace

Result<std::unique_ptr<TritonText>> parse_triton_text(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::string content, read_file(path));
  auto text = std::make_unique<TritonText>();
  text->file = path;
  Collector collector(*text);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.WriteLocationsTo(&text->tree);
  parser.SetRecursionLimit(kMaxDepth);
  parser.AllowUnknownField(true);
  const bool parsed = parser.ParseFromString(content, &text->message);
  INFERD_RETURN_IF_ERROR(collector.errors.status());
  if (!parsed) return invalid_argument(path + ": not a model configuration");
  // The parser takes any bytes as text; clients would not.
  inference::ModelConfig copy;
  if (!copy.ParseFromString(text->message.SerializeAsString())) {
    return invalid_argument(path + ": has text that is not UTF-8");
  }
  return text;
}

}  // namespace inferd::config
