// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "clients/inferctl/command.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

nlohmann::json to_json(const ModelInfo& info) {
  nlohmann::json json = {{"format", info.format},
                         {"description", info.description},
                         {"macs", info.macs},
                         {"weights_bytes", info.weights_bytes},
                         {"batchable", info.batchable},
                         {"runs", info.unsupported.empty()},
                         {"inputs", nlohmann::json::array()},
                         {"outputs", nlohmann::json::array()},
                         {"states", nlohmann::json::array()},
                         {"signature", info.signature},
                         {"signatures", info.signatures},
                         {"ops", nlohmann::json::array()},
                         {"conversions", nlohmann::json::array()},
                         {"unsupported", nlohmann::json::array()}};
  for (const TensorInfo& t : info.inputs) json["inputs"].push_back(ctl::to_json(t));
  for (const TensorInfo& t : info.outputs) json["outputs"].push_back(ctl::to_json(t));
  for (const TensorInfo& t : info.states) json["states"].push_back(ctl::to_json(t));
  for (const OpCount& op : info.ops) json["ops"].push_back({{"op", op.op}, {"count", op.count}});
  for (const LeftConversion& c : info.conversions) {
    json["conversions"].push_back({{"op", c.op}, {"node", c.node}, {"reason", c.reason}});
  }
  for (const UnsupportedOp& op : info.unsupported) {
    json["unsupported"].push_back({{"op", op.op}, {"node", op.node}, {"reason", op.reason}});
  }
  return json;
}

void print(const ModelInfo& info) {
  std::cout << "format       " << info.format
            << (info.description.empty() ? "" : " (" + info.description + ")") << "\n";
  for (const std::string& name : info.signatures) {
    std::cout << "signature    " << name << (name == info.signature ? " (this one)" : "") << "\n";
  }
  for (const TensorInfo& t : info.inputs) std::cout << "input        " << to_text(t) << "\n";
  for (const TensorInfo& t : info.outputs) std::cout << "output       " << to_text(t) << "\n";
  for (const TensorInfo& t : info.states) std::cout << "state        " << to_text(t) << "\n";
  if (!info.unsupported.empty()) {
    std::cout << "runs         no, " << info.unsupported.size() << " unsupported operators:\n";
    for (const UnsupportedOp& op : info.unsupported) {
      std::cout << "  " << op.op << " '" << op.node << "': " << op.reason << "\n";
    }
    return;
  }
  std::cout << "runs         yes" << (info.batchable ? ", in batches" : "") << "\n";
  std::cout << "MACs         " << human(info.macs) << "\n";
  std::cout << "weights      " << human(info.weights_bytes) << "B\n";
  std::cout << "operators   ";
  for (const OpCount& op : info.ops) std::cout << " " << op.op << " x" << op.count;
  std::cout << "\n";
  if (info.conversions.empty()) return;
  std::cout << "in float32   parts of this quantized model, between:\n";
  for (const LeftConversion& c : info.conversions) {
    std::cout << "  " << c.op << " '" << c.node << "': " << c.reason << "\n";
  }
}

}  // namespace

void add_inspect(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("inspect", "what a model file holds, and whether it runs");
  auto path = std::make_shared<std::string>();
  auto load = std::make_shared<LoadOptions>();
  command->add_option("MODEL", *path, "model file")->required();
  command->add_option("--signature", load->signature, kSignatureHelp);
  command->callback([&globals, &chosen, path, load] {
    chosen = [&globals, path, load]() -> Status {
      INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create({}));
      INFERD_ASSIGN_OR_RETURN(const ModelInfo info, engine->inspect(*path, *load));
      if (globals.json) {
        std::cout << to_json(info).dump(2) << "\n";
      } else {
        print(info);
      }
      return ok_status();
    };
  });
}

}  // namespace inferd::ctl
