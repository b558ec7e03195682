// SPDX-License-Identifier: Apache-2.0
//
// What happens to a frame between source and sinks. One file per family in stages/, one row each in
// stages/factory.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/pool.h"
#include "daemon/pipeline/result.h"
#include "media/lens.h"
#include "media/preprocess.h"

namespace inferd::pipeline {

// A model's output, copied out of its context.
struct Tensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;
  Quantization quantization = {};  // of the version that made it
};

struct Work;

// Who leaves it to others to take out what a lens bends: `undistort`.
class Straightener {
 public:
  virtual ~Straightener() = default;
  virtual const media::LensView& view() const = 0;
  // Puts a frame with the straight picture, of the same size, in the place of the bent one.
  virtual Status straighten(Work& work) = 0;
};

// One frame on its way. Buffers are kept from frame to frame.
struct Work {
  const Frame* frame = nullptr;  // of `hold`, or borrowed while stages and sinks work on it
  // The frame's picture is still bent: it is to be taken for the straight one, which infer looks at
  // through the lens, and which a node makes for whoever else looks. Null: it is as it is.
  Straightener* bent = nullptr;
  Ref<SharedFrame> hold;
  // At a join: those of its other inputs, borrowed while the node works. Nothing elsewhere.
  std::vector<const Frame*> joined;
  media::Placement placement;   // of the picture in the model's input; set by infer
  std::vector<Tensor> outputs;  // of the model; set by infer
  // That made the outputs; set by infer. Nobody holds it from frame to frame: it may be replaced.
  std::shared_ptr<const models::ModelVersion> model;
  int64_t deadline_ns = 0;  // CLOCK_MONOTONIC: a result is of no use after it; 0: always of use
  size_t lane = 0;          // of those that are worked on at the same time, see Stage::start()
  // What a stage says beside its status; both end the frame's way here.
  bool gated = false;     // nothing more is to be done with it, which is counted
  bool gathered = false;  // what it holds will be in a frame that comes later
  // What the result will say; nothing when the first stage of a source's frame begins.
  std::vector<Detection> detections;
  std::vector<ClassScore> classes;
  std::vector<ClassArea> areas;
  Mask mask;
  std::vector<Count> counts;
  std::vector<Value> values;
  std::string text;

  // Puts a frame, which is then only read, in the place of the one that came.
  void show(Ref<SharedFrame> shown) {
    hold = std::move(shown);
    frame = &*hold;
  }

  void clear_results() {
    detections.clear();
    classes.clear();
    areas.clear();
    mask.width = mask.height = 0;
    mask.runs.clear();
    counts.clear();
    values.clear();
    text.clear();
  }
};

// Used by its node's thread only.
class Stage {
 public:
  virtual ~Stage() = default;
  // Begins with what takes a while elsewhere, so that it is done for several works (with `lane`s of
  // their own, 0 to kMaxLanes - 1) at the same time. Each that began well is then given to
  // process(), with nothing else in between.
  virtual Status start(Work&) { return ok_status(); }
  // An error drops the frame; the pipeline goes on. DEADLINE_EXCEEDED: it was too late for it.
  virtual Status process(Work& work) = 0;

  // Of a stage that makes several frames of one, which has to be its node's first: as long as it
  // has more, the work comes again as it came, and before any other.
  virtual bool splits() const { return false; }
  virtual bool has_more() const { return false; }

  static constexpr size_t kMaxLanes = 64;

  // Whether it looks at pixels of the frame's picture; its size is no look. By its row in
  // stages/factory.cc.
  bool looks() const { return looks_; }
  void set_looks(bool looks) { looks_ = looks; }

 private:
  bool looks_ = true;
};

// What stages tell the ones after them, of later nodes as well, while a pipeline is built. A stage
// takes from `model` what is the same for all versions that may follow: names, types and shapes of
// inputs and outputs. Scales, zero points and labels come with each frame.
struct StageContext {
  models::Repository& repository;  // outlives the stages
  std::string pipeline;            // for messages
  media::Preprocess preprocess;    // gathered by letterbox, normalize, ...; used by infer
  std::shared_ptr<const models::ModelVersion> model;  // set by infer
  bool tracked = false;                               // detections have tracks; set by track
  Signal signal = {};                                 // kept true by stages that change frames
  std::vector<Signal> joined = {};                    // of the other inputs of a join
  // The node's stages are done for parts of frames (`each`), several of them for one frame.
  bool parts = false;
  // False for a file that a client sent to be checked: no library that it names is loaded.
  bool trusted = true;
};

// Null (and OK) for stages that only describe, such as normalize. Errors are "file:line:column:
// message".
Result<std::unique_ptr<Stage>> make_stage(const config::NodeConfig& node, StageContext& context);

// Whether stages of this type say something only after several frames.
bool needs_stream(const std::string& type);

}  // namespace inferd::pipeline
