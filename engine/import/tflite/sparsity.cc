// SPDX-License-Identifier: Apache-2.0
#include "engine/import/tflite/sparsity.h"

#include <algorithm>
#include <cstring>

#include "engine/base/checked.h"

namespace inferd::import {
namespace {

// One level of the tree.
struct Level {
  int64_t size = 0;    // indices are below
  int64_t stride = 0;  // what an index adds to the position of an element
  bool is_dense = true;
  std::vector<int64_t> segments, indices;  // of a sparse level
};

Status bad(const std::string& what) { return invalid_argument("sparse data: " + what); }

template <typename Table>
Result<std::vector<int64_t>> numbers(const OptionsReader& tables, const tflite::Empty* table) {
  INFERD_ASSIGN_OR_RETURN(const Table* array,
                          tables.verified<Table>(table, "arrays of sparse data"));
  if (array == nullptr || array->values() == nullptr) return std::vector<int64_t>();
  return std::vector<int64_t>(array->values()->begin(), array->values()->end());
}

// An array of the union SparseIndexVector.
Result<std::vector<int64_t>> read_array(const OptionsReader& tables, uint8_t kind,
                                        const tflite::Empty* table) {
  switch (kind) {
    case 1:
      return numbers<tflite::Int32Vector>(tables, table);
    case 2:
      return numbers<tflite::Uint16Vector>(tables, table);
    case 3:
      return numbers<tflite::Uint8Vector>(tables, table);
    default:
      return unimplemented("sparse data with arrays of kind " + std::to_string(kind));
  }
}

std::vector<int64_t> ints(const flatbuffers::Vector<int32_t>* values) {
  if (values == nullptr) return {};
  return {values->begin(), values->end()};
}

// Which level goes through which dimension or block: the inverse of the traversal order.
Result<std::vector<size_t>> levels_of(const std::vector<int64_t>& order, size_t rank) {
  std::vector<size_t> level_of(order.size(), order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const auto dimension = static_cast<size_t>(order[i]);
    const bool is_block = dimension >= rank;
    // A block's level comes after that of the dimension that it is of, as all of those do.
    if (order[i] < 0 || dimension >= order.size() || level_of[dimension] != order.size() ||
        is_block != (i >= rank)) {
      return bad("the traversal order is no permutation of dimensions, then blocks");
    }
    level_of[dimension] = i;
  }
  return level_of;
}

// Sizes and strides of all levels, from the sizes of blocks that the file says.
Result<std::vector<Level>> shape_levels(const tflite::SparsityParameters& sparsity,
                                        const Shape& shape) {
  const auto rank = static_cast<size_t>(shape.rank());
  const std::vector<int64_t> order = ints(sparsity.traversal_order());
  const std::vector<int64_t> block_map = ints(sparsity.block_map());
  const size_t metadata = sparsity.dim_metadata() == nullptr ? 0 : sparsity.dim_metadata()->size();
  if (rank == 0 || shape.elements() == 0 || block_map.size() > rank ||
      order.size() != rank + block_map.size() || metadata != order.size()) {
    return bad("it has " + std::to_string(metadata) + " levels, " + std::to_string(order.size()) +
               " of them in the traversal order, and " + std::to_string(block_map.size()) +
               " blocks, for " + shape.to_string());
  }
  INFERD_ASSIGN_OR_RETURN(const auto level_of, levels_of(order, rank));
  std::vector<Level> levels(order.size());
  int64_t stride = 1;
  for (size_t d = rank; d-- > 0;) {
    const int64_t size = shape[static_cast<int>(d)];
    const auto block = std::find(block_map.begin(), block_map.end(), static_cast<int64_t>(d));
    int64_t block_size = 1;
    if (block != block_map.end()) {
      const size_t at = level_of[rank + static_cast<size_t>(block - block_map.begin())];
      const auto* stored = sparsity.dim_metadata()->Get(static_cast<flatbuffers::uoffset_t>(at));
      block_size = stored->dense_size();
      if (block_size < 1 || size % block_size != 0) {
        return bad("blocks of " + std::to_string(block_size) + " do not fit " + shape.to_string());
      }
      levels[at].size = block_size;
      levels[at].stride = stride;
    }
    levels[level_of[d]].size = size / block_size;
    levels[level_of[d]].stride = stride * block_size;
    stride *= size;
  }
  for (const Level& level : levels) {
    if (level.stride == 0) return bad("two blocks are of one dimension, or of none");
  }
  return levels;
}

// Fills in a sparse level that has `parents`. Returns how many children there are.
Result<int64_t> fill_level(const tflite::DimensionMetadata& stored, const OptionsReader& tables,
                           int64_t parents, Level* level) {
  int64_t children = 0;
  if (stored.format() == 0) {
    if (stored.dense_size() != level->size || !checked_mul(parents, level->size, &children)) {
      return bad("a dense level has " + std::to_string(stored.dense_size()) + " indices, not " +
                 std::to_string(level->size));
    }
    return children;
  }
  if (stored.format() != 1) {
    return unimplemented("sparse data with a level of format " + std::to_string(stored.format()));
  }
  level->is_dense = false;
  INFERD_ASSIGN_OR_RETURN(level->segments,
                          read_array(tables, stored.segments_kind(), stored.segments_table()));
  INFERD_ASSIGN_OR_RETURN(level->indices,
                          read_array(tables, stored.indices_kind(), stored.indices_table()));
  children = static_cast<int64_t>(level->indices.size());
  const std::vector<int64_t>& segments = level->segments;
  if (static_cast<int64_t>(segments.size()) != parents + 1 || segments.front() != 0 ||
      segments.back() != children || !std::is_sorted(segments.begin(), segments.end())) {
    return bad("segments do not lead through " + std::to_string(children) + " indices");
  }
  for (const int64_t index : level->indices) {
    if (index < 0 || index >= level->size) {
      return bad("index " + std::to_string(index) + " is not below " + std::to_string(level->size));
    }
  }
  return children;
}

// Copies the elements below one parent of level `at`, in order.
class Spreader {
 public:
  Spreader(const std::vector<Level>& levels, size_t element_bytes, std::span<const std::byte> data,
           std::span<std::byte> out)
      : levels_(levels), element_bytes_(element_bytes), next_(data.data()), out_(out) {}

  void spread(size_t at, int64_t parent, int64_t position) {
    if (at == levels_.size()) {
      std::memcpy(out_.data() + static_cast<size_t>(position) * element_bytes_, next_,
                  element_bytes_);
      next_ += element_bytes_;
      return;
    }
    const Level& level = levels_[at];
    const auto p = static_cast<size_t>(parent);
    const int64_t first = level.is_dense ? parent * level.size : level.segments[p];
    const int64_t last = level.is_dense ? first + level.size : level.segments[p + 1];
    for (int64_t i = first; i < last; ++i) {
      const int64_t index = level.is_dense ? i - first : level.indices[static_cast<size_t>(i)];
      spread(at + 1, i, position + index * level.stride);
    }
  }

 private:
  const std::vector<Level>& levels_;
  const size_t element_bytes_;
  const std::byte* next_;
  const std::span<std::byte> out_;
};

}  // namespace

Result<std::shared_ptr<const Constant>> densify(const tflite::SparsityParameters& sparsity,
                                                const OptionsReader& tables, const Shape& shape,
                                                size_t element_bytes,
                                                std::span<const std::byte> data,
                                                std::shared_ptr<const MappedFile> file) {
  INFERD_ASSIGN_OR_RETURN(auto levels, shape_levels(sparsity, shape));
  int64_t count = 1;
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto& stored = *sparsity.dim_metadata()->Get(static_cast<flatbuffers::uoffset_t>(i));
    INFERD_ASSIGN_OR_RETURN(count, fill_level(stored, tables, count, &levels[i]));
  }
  if (data.size() % element_bytes != 0 ||
      data.size() / element_bytes != static_cast<size_t>(count)) {
    return bad("it has " + std::to_string(data.size()) + " bytes for " + std::to_string(count) +
               " elements");
  }
  const size_t bytes = static_cast<size_t>(shape.elements()) * element_bytes;
  return Constant::made(bytes, [levels = std::move(levels), element_bytes, data,
                                file = std::move(file)](std::span<std::byte> out) {
    std::fill(out.begin(), out.end(), std::byte{0});
    Spreader(levels, element_bytes, data, out).spread(0, 0, 0);
  });
}

}  // namespace inferd::import
