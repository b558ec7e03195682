// SPDX-License-Identifier: Apache-2.0
//
// A chain of operators that only move elements becomes one strided copy from where it starts, as
// long as what comes out walks over the source in equal steps along each dimension. Channel
// shuffles and splits are such chains: reshape, transpose, reshape, slice or gather.
//
// A value that something else reads too is there anyway, so the chains behind it start there.
#include <algorithm>
#include <map>
#include <optional>

#include "engine/ir/shape_inference.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

struct Dim {
  int64_t size;  // kDynamicDim: dimension 0 of the source, untouched
  int64_t stride;
};

// A dimension of a view: usually one walk over the source, none for size 1; after a reshape that
// joined dimensions far apart, several, outermost first.
using Axis = std::vector<Dim>;

// What a value shows of the source of its chain. Strides and offset are in elements of the source.
struct View {
  ir::ValueId source;
  std::vector<Axis> axes;
  int64_t offset = 0;
  int copies = 0;  // operators between that move memory
};

// Every dimension but the first is static and not 0, and one scale holds for all.
bool can_view(const ir::Value& value) {
  if (!value.shape_known || value.quantization.per_channel()) return false;
  for (int d = 0; d < value.shape.rank(); ++d) {
    const int64_t dim = value.shape[d];
    if (dim == kDynamicDim ? d != 0 : dim <= 0) return false;
  }
  return true;
}

Axis axis_of(int64_t size, int64_t stride) { return size == 1 ? Axis{} : Axis{{size, stride}}; }

bool is_open(const Axis& axis) { return !axis.empty() && axis[0].size == kDynamicDim; }

View whole(ir::ValueId id, const Shape& shape) {
  View view{id, std::vector<Axis>(static_cast<size_t>(shape.rank())), 0, 0};
  int64_t stride = 1;
  for (int d = shape.rank() - 1; d >= 0; stride *= shape[d--]) {
    view.axes[static_cast<size_t>(d)] = axis_of(shape[d], stride);
  }
  return view;
}

// All walks from axis `first` on; those that go on where the next one ends are made one, so that
// they can be cut anew.
std::vector<Dim> runs_of(const View& view, size_t first) {
  std::vector<Dim> runs;
  for (size_t a = first; a < view.axes.size(); ++a) {
    for (const Dim& dim : view.axes[a]) {
      if (!runs.empty() && runs.back().stride == dim.stride * dim.size) {
        runs.back() = {runs.back().size * dim.size, dim.stride};
      } else {
        runs.push_back(dim);
      }
    }
  }
  return runs;
}

bool reshape(View& view, const Shape& shape) {
  std::vector<Axis> axes(static_cast<size_t>(shape.rank()));
  size_t first = 0;
  if (!view.axes.empty() && is_open(view.axes[0])) {
    if (shape.rank() == 0 || shape[0] != kDynamicDim) return false;
    axes[0] = view.axes[0];
    first = 1;
  }
  std::vector<Dim> runs = runs_of(view, first);
  for (size_t a = axes.size(); a-- > first;) {
    int64_t left = shape[static_cast<int>(a)];
    while (left != 1) {
      if (runs.empty() || left == kDynamicDim) return false;
      Dim& run = runs.back();
      const int64_t size = std::min(left, run.size);
      if (left % size != 0 || run.size % size != 0) return false;
      axes[a].insert(axes[a].begin(), {size, run.stride});
      left /= size;
      run = {run.size / size, run.stride * size};
      if (run.size == 1) runs.pop_back();
    }
  }
  view.axes = std::move(axes);
  return runs.empty();
}

// Elements of an axis per step of its outermost walk.
int64_t inner_size(const Axis& axis) {
  int64_t size = 1;
  for (size_t d = 1; d < axis.size(); ++d) size *= axis[d].size;
  return size;
}

bool slice(View& view, const SliceAttrs& attrs, const Shape& y) {
  for (size_t a = 0; a < view.axes.size(); ++a) {
    Axis& axis = view.axes[a];
    if (is_open(axis)) {
      if (attrs.begin[a] != 0 || attrs.step[a] != 1 || attrs.end[a] != kSliceEnd) return false;
      continue;
    }
    if (axis.empty()) continue;
    const int64_t size = y[static_cast<int>(a)];
    const int64_t inner = inner_size(axis);
    if (attrs.begin[a] % inner != 0 || size % inner != 0 || (inner > 1 && attrs.step[a] != 1)) {
      return false;
    }
    view.offset += attrs.begin[a] / inner * axis[0].stride;
    axis[0] = {size / inner, axis[0].stride * attrs.step[a]};
    if (axis[0].size == 1) axis.erase(axis.begin());
  }
  return true;
}

// Indices that are known and lie equally far apart.
bool gather(View& view, int axis, int64_t dim, std::vector<int64_t> indices, int index_rank) {
  const auto at = view.axes.begin() + axis;
  if (is_open(*at) || indices.empty() || index_rank > 1) return false;
  for (int64_t& index : indices) {
    if (index < 0) index += dim;
    if (index < 0 || index >= dim) return false;
  }
  const int64_t step = indices.size() > 1 ? indices[1] - indices[0] : 0;
  for (size_t i = 1; i < indices.size(); ++i) {
    if (indices[i] - indices[i - 1] != step) return false;
  }
  if (indices.size() > 1 && at->size() > 1) return false;
  const int64_t stride = at->empty() ? 0 : at->back().stride;
  for (size_t d = at->size(); d-- > 0; indices[0] /= (*at)[d].size) {
    view.offset += indices[0] % (*at)[d].size * (*at)[d].stride;
  }
  if (index_rank == 0) {
    view.axes.erase(at);
  } else {
    *at = axis_of(static_cast<int64_t>(indices.size()), stride * step);
  }
  return true;
}

bool expand(View& view, const Shape& x, const Shape& y) {
  const int added = y.rank() - x.rank();
  if (added > 0 && x.rank() > 0 && x[0] == kDynamicDim) return false;
  std::vector<Axis> axes;
  for (int d = 0; d < y.rank(); ++d) {
    const bool same = d >= added && x[d - added] == y[d];
    axes.push_back(same ? view.axes[static_cast<size_t>(d - added)] : axis_of(y[d], 0));
  }
  view.axes = std::move(axes);
  return true;
}

// A strided copy of a view: each of its dimensions has to walk along one dimension of the view
// without a carry into the next.
bool strided(View& view, const StridedCopyAttrs& attrs) {
  std::vector<Axis> result;
  if (attrs.each_slice) result.push_back(view.axes[0]);
  const size_t first = result.size();
  if (view.axes.size() > first && is_open(view.axes[first])) return false;
  const std::vector<Dim> from = runs_of(view, first);
  std::vector<int64_t> inner(from.size(), 1);  // the view's elements in row-major order
  std::vector<int64_t> low(from.size());       // first and last index
  int64_t rest = attrs.offset;
  for (size_t d = from.size(); d-- > 0; rest /= from[d].size) {
    if (d + 1 < from.size()) inner[d] = inner[d + 1] * from[d + 1].size;
    low[d] = rest % from[d].size;
    view.offset += low[d] * from[d].stride;
  }
  std::vector<int64_t> high = low;
  for (size_t i = 0; i < attrs.shape.size(); ++i) {
    const int64_t size = attrs.shape[i];
    const int64_t stride = attrs.strides[i];
    if (size == 1 || stride == 0) {
      result.push_back(axis_of(size, 0));
      continue;
    }
    size_t d = 0;
    while (d < from.size() && stride % inner[d] != 0) ++d;
    if (d == from.size()) return false;
    const int64_t step = stride / inner[d];
    (step < 0 ? low : high)[d] += step * (size - 1);
    result.push_back(axis_of(size, step * from[d].stride));
  }
  for (size_t d = 0; d < from.size(); ++d) {
    if (low[d] < 0 || high[d] >= from[d].size) return false;
  }
  view.axes = std::move(result);
  return true;
}

class ViewMerger {
 public:
  explicit ViewMerger(ir::Graph& graph) : graph_(graph), needed_(graph.value_count(), false) {}

  bool run() {
    find_needed();
    bool changed = false;
    std::vector<ir::Node> nodes = std::move(graph_.nodes());
    graph_.nodes().clear();
    for (ir::Node& node : nodes) {
      const std::optional<View> view = behind(node);
      const ir::ValueId y = node.outputs[0];
      if (view && !needed_[index(y)]) views_[y] = *view;
      if (view && needed_[index(y)] && view->copies >= 2 && rewrite(node, *view)) {
        changed = true;
      } else {
        graph_.add_node(std::move(node));
      }
    }
    return changed;
  }

 private:
  static size_t index(ir::ValueId id) { return static_cast<size_t>(id); }

  // What the node's output shows of the source of the chain it continues or begins.
  std::optional<View> behind(const ir::Node& node) const {
    if (node.inputs.empty() || node.outputs.size() != 1) return std::nullopt;
    const ir::Value& x = graph_.value(node.inputs[0]);
    const ir::Value& y = graph_.value(node.outputs[0]);
    if (x.is_constant() || x.dtype != y.dtype || x.quantization != y.quantization || !can_view(x) ||
        !can_view(y)) {
      return std::nullopt;
    }
    const auto known = views_.find(node.inputs[0]);
    View view = known != views_.end() ? known->second : whole(node.inputs[0], x.shape);
    if (!apply(node, x.shape, y.shape, view)) return std::nullopt;
    view.copies += node.kind != OpKind::kReshape;
    return view;
  }

  bool apply(const ir::Node& node, const Shape& x, const Shape& y, View& view) const {
    switch (node.kind) {
      case OpKind::kReshape:
        return reshape(view, y);
      case OpKind::kTranspose: {
        const std::vector<Axis> from = view.axes;
        const auto& perm = std::get<TransposeAttrs>(node.attrs).perm;
        for (size_t a = 0; a < perm.size(); ++a) view.axes[a] = from[static_cast<size_t>(perm[a])];
        return true;
      }
      case OpKind::kSlice:
        return slice(view, std::get<SliceAttrs>(node.attrs), y);
      case OpKind::kGather: {
        const auto [axis, batch_dims] = std::get<GatherAttrs>(node.attrs);
        const Result<std::vector<int64_t>> indices = ir::constant_ints(graph_, node.inputs[1]);
        return indices.ok() && batch_dims == 0 &&
               gather(view, axis, x[axis], *indices, graph_.value(node.inputs[1]).shape.rank());
      }
      case OpKind::kExpand:
        return expand(view, x, y);
      case OpKind::kStridedCopy:
        return strided(view, std::get<StridedCopyAttrs>(node.attrs));
      default:
        return false;
    }
  }

  // Values that stay: outputs of the graph, and what is read by anything but the next operator of a
  // chain. Backwards, because a reader is part of a chain only when what it makes is.
  void find_needed() {
    for (ir::ValueId id : graph_.outputs()) needed_[index(id)] = true;
    // Forwards first: which nodes continue a chain if nothing interrupts it.
    std::vector<bool> continues;
    for (const ir::Node& node : graph_.nodes()) {
      const std::optional<View> view = behind(node);
      if (view) views_[node.outputs[0]] = *view;
      continues.push_back(view.has_value());
    }
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const ir::Node& node = graph_.nodes()[n];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (i > 0 || !continues[n]) needed_[index(node.inputs[i])] = true;
      }
    }
    views_.clear();
  }

  // Adds a strided copy that makes the node's output, and a reshape where axes are several walks.
  bool rewrite(const ir::Node& node, const View& view) {
    const ir::Value& source = graph_.value(view.source);
    const Shape& x = source.shape;
    const ir::Value& y = graph_.value(node.outputs[0]);
    StridedCopyAttrs attrs;
    attrs.offset = view.offset;
    int64_t lowest = view.offset;
    int64_t highest = view.offset;
    for (size_t a = 0; a < view.axes.size(); ++a) {
      for (const Dim& dim : view.axes[a]) {
        attrs.shape.push_back(dim.size);
        attrs.strides.push_back(dim.stride);
        if (a > 0) (dim.stride < 0 ? lowest : highest) += dim.stride * (dim.size - 1);
      }
      if (view.axes[a].empty()) {
        attrs.shape.push_back(1);
        attrs.strides.push_back(0);
      }
    }
    // Dimension 0 carried through: written so that its size stays open.
    if (x.rank() > 0 && y.shape.rank() > 0 && x[0] == y.shape[0]) {
      const int64_t slice = x.elements(1, x.rank());
      attrs.each_slice =
          (x[0] == 1 || (view.axes[0].size() == 1 && view.axes[0][0].stride == slice)) &&
          lowest >= 0 && highest < slice;
    }
    if (!attrs.each_slice && !(x.is_static() && y.shape.is_static())) return false;
    if (attrs.shape.size() > static_cast<size_t>(kMaxRank)) return false;

    std::vector<int64_t> dims(y.shape.begin(), y.shape.end());
    const bool whole_axes = attrs.shape.size() == dims.size();
    if (attrs.each_slice) {
      attrs.shape.erase(attrs.shape.begin());
      attrs.strides.erase(attrs.strides.begin());
      dims[0] = 0;  // copies the batch
    }
    if (whole_axes) {
      graph_.add_node(
          {OpKind::kStridedCopy, node.name, std::move(attrs), {view.source}, node.outputs});
      return true;
    }
    ir::Value parts;
    parts.dtype = source.dtype;
    parts.quantization = source.quantization;
    const bool literal = !attrs.each_slice;
    const ir::ValueId copied = graph_.add_value(std::move(parts));
    graph_.add_node({OpKind::kStridedCopy, node.name, std::move(attrs), {view.source}, {copied}});
    graph_.add_node({OpKind::kReshape,
                     node.name,
                     ReshapeAttrs{std::move(dims), literal},
                     {copied},
                     node.outputs});
    return true;
  }

  ir::Graph& graph_;
  std::vector<bool> needed_;           // by value
  std::map<ir::ValueId, View> views_;  // of values that nothing outside of their chain reads
};

}  // namespace

Result<bool> merge_views(ir::Graph& graph, const PassContext&) {
  const bool changed = ViewMerger(graph).run();
  if (changed) INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
  return changed;
}

}  // namespace inferd::opt
