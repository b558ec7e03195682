// SPDX-License-Identifier: Apache-2.0
//
// Takes out what the lens bends: later stages, nodes and sinks see the picture as a camera without
// distortion would have taken it. It is made only where somebody looks at it: infer alone looks
// through the lens, at no more pixels than it needs.
#include <algorithm>

#include "daemon/config/calibration.h"
#include "daemon/pipeline/stages/stages.h"
#include "media/undistorter.h"

namespace inferd::pipeline {
namespace {

using media::Lens;

class Undistort final : public Stage, public Straightener {
 public:
  explicit Undistort(const media::LensView& view) : view_(view), undistorter_(view) {}

  Status process(Work& work) override {
    if (work.frame->picture.width > 0) work.bent = this;
    return ok_status();
  }

  const media::LensView& view() const override { return view_; }

  Status straighten(Work& work) override {
    work.bent = nullptr;
    const media::Picture& picture = work.frame->picture;
    Ref<SharedFrame> made = pool_.get();
    INFERD_ASSIGN_OR_RETURN(made->picture, undistorter_.undistort(picture, made->image.pixels));
    made->samples = work.frame->samples;
    made->identify_as(*work.frame);
    work.show(std::move(made));
    return ok_status();
  }

 private:
  const media::LensView view_;
  media::Undistorter undistorter_;
  Pool<SharedFrame> pool_;
};

// fx, fy, cx, cy, or the nine numbers of a matrix row by row.
Status read_matrix(const std::vector<double>& m, Lens& lens) {
  const auto set = [&](double fx, double fy, double cx, double cy) {
    lens.fx = fx, lens.fy = fy, lens.cx = cx, lens.cy = cy;
    return ok_status();
  };
  if (m.size() == 4) return set(m[0], m[1], m[2], m[3]);
  const bool usual = m.size() == 9 && m[1] == 0 && m[3] == 0 && m[6] == 0 && m[7] == 0 && m[8] == 1;
  if (usual) return set(m[0], m[4], m[2], m[5]);
  return invalid_argument(
      "a camera's matrix is fx, fy, cx, cy, or nine numbers: fx, 0, cx, 0, fy, cy, 0, 0, 1");
}

// As many as OpenCV writes of each model; more than there are names for must be 0.
Status read_distortion(const std::vector<double>& d, Lens& lens) {
  const bool fisheye = lens.model == Lens::Model::kFisheye;
  const size_t most = fisheye ? 4 : 8;
  const bool usual = d.empty() || d.size() == 4 || (!fisheye && (d.size() == 5 || d.size() >= 8));
  for (size_t i = 0; usual && i < std::min(d.size(), most); ++i) lens.k[i] = d[i];
  const bool rest = d.size() > most && std::any_of(d.begin() + static_cast<std::ptrdiff_t>(most),
                                                   d.end(), [](double k) { return k != 0; });
  if (usual && !rest) return ok_status();
  return invalid_argument(
      fisheye ? "the distortion of a fisheye lens is k1, k2, k3, k4"
              : "the distortion is k1, k2, p1, p2, maybe k3, and maybe k4, k5, k6; prisms and "
                "tilted sensors are not known");
}

struct Keys {
  std::string calibration, model;
  std::vector<double> matrix, distortion;
  int width = 0, height = 0;
};

Result<media::LensView> view_of(Keys keys) {
  if (keys.calibration.empty() == keys.matrix.empty())
    return invalid_argument("it needs either a 'calibration' or a 'camera_matrix'");
  if (!keys.calibration.empty()) {
    if (!keys.distortion.empty() || keys.width > 0 || keys.height > 0)
      return invalid_argument("'distortion', 'width' and 'height' are what the 'calibration' says");
    INFERD_ASSIGN_OR_RETURN(auto read, config::load_calibration(keys.calibration));
    if (keys.model == "auto" && !read.model.empty()) keys.model = read.model;
    keys.matrix = std::move(read.camera_matrix);
    keys.distortion = std::move(read.distortion);
    keys.width = read.width;
    keys.height = read.height;
  }
  if ((keys.width > 0) != (keys.height > 0))
    return invalid_argument("of 'width' and 'height', the one needs the other");
  media::LensView view;
  view.lens.model = keys.model == "fisheye" ? Lens::Model::kFisheye : Lens::Model::kPinhole;
  view.width = keys.width;
  view.height = keys.height;
  INFERD_RETURN_IF_ERROR(read_matrix(keys.matrix, view.lens));
  INFERD_RETURN_IF_ERROR(read_distortion(keys.distortion, view.lens));
  INFERD_RETURN_IF_ERROR(media::check_lens(view.lens));
  return view;
}

}  // namespace

StageResult make_undistort(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  Keys keys;
  keys.calibration = r.text("calibration", "");
  keys.model = r.one_of("model", "auto", {"auto", "pinhole", "fisheye"});
  keys.matrix = r.numbers("camera_matrix");
  keys.distortion = r.numbers("distortion");
  const auto side = [&](const char* key) { return static_cast<int>(r.integer(key, 0, 4, 65535)); };
  keys.width = side("width");
  keys.height = side("height");
  const double zoom = r.number("zoom", 1, 0.1, 10);
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string where = node.mark.to_string() + ": 'undistort'";
  if (context.signal.samples) return invalid_argument(where + " is for pictures");
  if (context.parts) {
    return invalid_argument(where +
                            " needs the whole frame, and its node works on parts of each: it "
                            "belongs into the node before");
  }
  if (context.model != nullptr) {
    return invalid_argument(where + " comes before 'infer': what that found would lie elsewhere");
  }
  auto view = view_of(std::move(keys));
  if (!view.ok()) return view.status().with_context(where);
  view->zoom = zoom;
  return std::unique_ptr<Stage>(std::make_unique<Undistort>(*view));
}

}  // namespace inferd::pipeline
