// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary of operators: what every operator is called, its attributes, and the meaning of
// its inputs. ir builds graphs of these, kernels run them; neither knows the other.
//
// The words are the engine's own. Padding is explicit, images are NHWC, quantization is part of a
// tensor's type, a fused activation is a clamp. Framework quirks end in the importer's lowering.
//
// Types: unless said otherwise an operator takes float32, or int8/uint8 with quantization on every
// input and output ("quantized"), and data movement (reshape, concat, slice, ...) takes every type.
// The weights `w` of a float32 x may be float16: they stand for the same numbers in float32.
// kConv2d, kDepthwiseConv2d, kConvTranspose2d, kFullyConnected and kMatMul also take int16 with
// zero point 0 as x and y, with 8-bit weights and an int32 or int64 bias (another int16 as b of
// kMatMul). kConv2d and kMatMul take plain integers too, computed as C++ unsigned arithmetic: int32
// the former (no bias, no activation), every type of 32 or 64 bits the latter (float64 as well).
// "?" marks an optional input; an optional input that is absent is left off the end of the list.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/op_recurrent.h"
#include "inferd/engine/tensor.h"

namespace inferd {

enum class OpKind : uint8_t {
  kConv2d,             // x[N,H,W,C], w[O,KH,KW,C/groups], bias?[O] -> y[N,OH,OW,O]
  kDepthwiseConv2d,    // x[N,H,W,C], w[KH,KW,O], bias?[O] -> y[N,OH,OW,O]; O = C * multiplier
  kConvTranspose2d,    // x[N,H,W,C], w[O,KH,KW,C/groups], bias?[O] -> y[N,OH,OW,O]
  kFullyConnected,     // x[...,K], w[O,K], bias?[O] -> y[...,O]
  kMatMul,             // a[...,M,K], b[...,K,N] -> y[...,M,N]; leading dimensions broadcast
  kBinary,             // a, b -> y; numpy broadcasting
  kCompare,            // a, b -> bool y; numpy broadcasting
  kSelect,             // a, b, which (bool) -> y = which ? a : b; numpy broadcasting
  kUnary,              // x -> y, element by element
  kClamp,              // x -> y; ClampAttrs
  kPRelu,              // x, slope (broadcasts to x) -> y
  kRandom,             // x -> numbers that depend on nothing but x's shape; float32 or float64
  kMaxPool2d,          // x[N,H,W,C] -> y[N,OH,OW,C]
  kAveragePool2d,      // x[N,H,W,C] -> y[N,OH,OW,C]
  kMaxPoolIndices,     // x[N,H,W,C] -> int64[N,OH,OW,C]: where the first maximum is
  kReduce,             // x -> y over axes
  kCumSum,             // x -> y, sums along an axis so far; any number type
  kArgMax,             // x -> y (int32 or int64)
  kSoftmax,            // x -> y along axis
  kNormalize,          // x, scale?, shift? (broadcast to x) -> y; NormalizeAttrs
  kLocalResponseNorm,  // x -> y along axis (float32)
  kDeterminant,        // x[...,M,M] -> y[...] (float32, float64)
  kConcat,             // x0, x1, ... -> y
  kSlice,              // x -> y
  kTrim,               // x, count (int64[1]) -> the first `count` slices of x along axis
  kPad,                // x, value? (scalar of x's type, instead of PadAttrs::value) -> y
  kReshape,            // x -> y, or x, shape (int32/int64) -> y
  kTranspose,          // x -> y
  kStridedCopy,        // x -> y; y[i,j,...] = x at offset + i * strides[0] + j * strides[1] ...
  kExpand,             // x, shape (int64) -> y; numpy broadcasting to that shape
  kTile,               // x, repeats (int32/int64[rank]) -> y; x over and over
  kReverseSequence,    // x, lengths (int32/int64[batch]) -> y; the first elements backwards
  kTrilu,              // x[...,M,N], diagonal? (int64 scalar) -> y; one triangle is 0
  kGather,             // x, indices (int32/int64) -> y
  kGatherElements,     // x, indices -> y; along axis 0: y[i,j] = x[indices[i,j],j]
  kGatherNd,           // x, indices[...,K] -> y; each row of indices leads to a slice of x
  kScatterElements,    // x, indices, updates -> x with updates where kGatherElements reads
  kScatterNd,          // x, indices[...,K], updates -> x with updates where kGatherNd reads
  kUpdateSlice,        // x, update, start[rank] -> x with update from start on; clips start
  kRange,              // start, limit, delta (scalars) -> y[n] = start + i * delta
  kOneHot,             // indices, depth (scalar), values[2] (off, on) -> y; OneHotAttrs
  kTopK,               // x, k (scalar) -> values, indices (int64); of equal ones the first
  kNonZero,            // x -> indices int64[rank, elements], count int64[1]; see kUnique
  kUnique,             // x -> y, first, inverse, counts, count int64[1]; UniqueAttrs
  kResize,             // x[N,H,W,C] -> y[N,OH,OW,C], nearest or linear
  kResizeAxis,         // x -> y along one dimension, in every mode
  kGridSample,         // x[N,H,W,C], grid[N,OH,OW,2] -> y[N,OH,OW,C]; or with depth
  kRoiAlign,           // x[N,H,W,C], rois[R,4], images (int32/int64)[R] -> y[R,OH,OW,C]
  kCast,               // x -> y, plain conversion of numbers
  kQuantize,           // float32 x -> quantized y
  kDequantize,         // quantized or float16 x -> float32 y
  kRequantize,         // quantized x -> quantized y with another type or quantization
  kLookup,             // 8-bit x, constant table[256] of y's type -> y = table[x's byte]
  kBatchNorm,          // x, scale[C], shift[C] -> x * scale + shift along `axis` (float32)
  kShape,              // x -> int64[rank]
  kLate,               // what is not an operator yet (ir/late.h)
  kIf,                 // condition (bool[]), captured... -> the outputs of one of two bodies
  kLoop,               // most (int64[]), condition (bool[]), carried..., captured... -> carried...,
                       // scanned...; LoopAttrs
  // boxes, scores -> selected, scores, count int64[1]; NonMaxSuppressionAttrs
  kNonMaxSuppression,
  kDetectionPostProcess,  // boxes[1,A,4], scores[1,A,K], anchors[A,4] -> boxes, classes, scores,
                          // count
  kRnn,                   // x[B,T,H], w[H,H], h[B,H], lengths? -> y[B,T,H], h[B,H]; op_recurrent.h
  kGru,                   // x[B,T,3*H], w[3*H,H], h[B,H], bias?[H], lengths? -> y[B,T,H], h[B,H]
  kLstm,                  // x[B,T,G*H], w[G*H,P], h[B,P], c[B,H], more? -> y[B,T,P], h, c
  kQuantizedLstm,         // x[B,T,I], v, w, bias, h[B,P], c[B,H], more? -> y[B,T,P], h, c
  kSvdf,          // x[B,I], w[F,I], t[F,M], state[B,F,M], bias?[F/rank] -> y[B,F/rank], state
  kTreeEnsemble,  // x[N,F], nodes[M,4], thresholds[M], roots[R], leaves[L], weights[L] -> y[N,K]
};
inline constexpr int kOpKindCount = static_cast<int>(OpKind::kTreeEnsemble) + 1;

std::string_view op_name(OpKind op);  // "conv2d", "depthwise_conv2d", ...

inline constexpr float kInf = std::numeric_limits<float>::infinity();

// A fused clamp, in real (dequantized) units.
struct Activation {
  float min = -kInf;
  float max = kInf;
  bool none() const { return min == -kInf && max == kInf; }
  bool operator==(const Activation&) const = default;
};

struct Window2d {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  bool operator==(const Window2d&) const = default;
};

struct Conv2dAttrs {  // kConv2d, kDepthwiseConv2d (groups is unused there)
  Window2d window;    // kernel_h, kernel_w equal the weights' shape
  int groups = 1;
  Activation activation;
  bool operator==(const Conv2dAttrs&) const = default;
};
// Each input pixel adds its product with the weights to the window of the output that begins at
// pixel * stride: OH = (H - 1) * stride_h + (KH - 1) * dilation_h + 1 + extra_h - pad_top -
// pad_bottom. So padding is what is cut off, extra what is added at the end (no pixel reaches it
// when it is beyond the last window).
struct ConvTranspose2dAttrs {
  Window2d window;
  int extra_h = 0, extra_w = 0;
  int groups = 1;
  Activation activation;
  bool operator==(const ConvTranspose2dAttrs&) const = default;
};
struct FullyConnectedAttrs {
  Activation activation;
  bool operator==(const FullyConnectedAttrs&) const = default;
};
struct MatMulAttrs {  // float64, int32, uint32, int64 and uint64 too, without an activation
  bool transpose_a = false, transpose_b = false;  // of the last two dimensions
  Activation activation;
  bool operator==(const MatMulAttrs&) const = default;
};

// Types: float32, float64, quantized and every integer, unless the kind says otherwise. Integers
// wrap around; what is divided by 0 gives 0.
enum class BinaryKind : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,  // integers: towards zero
  kMin,
  kMax,
  kPow,
  kFloorDiv,           // floor(a / b)
  kMod,                // a - b * trunc(a / b): has the sign of a, C's fmod
  kFloorMod,           // a - b * floor(a / b): has the sign of b, Python's %
  kAtan2,              // the angle of (b, a); no integers
  kSquaredDifference,  // (a - b)^2
  kAnd,                // bool and integers, bit by bit, as the next four
  kOr,
  kXor,
  kShiftLeft,   // by b bits, none of which stays where b is not below the number's width
  kShiftRight,  // keeps the sign
};
// How quantized addition, subtraction and requantization round (kernels/requantize.h): in fixed
// point, as TensorFlow Lite, or in binary32, as ONNX Runtime. A step apart at rare ties, which a
// deep network makes visible.
enum class Rounding : uint8_t { kFixedPoint, kFloat };
struct BinaryAttrs {
  BinaryKind kind = BinaryKind::kAdd;
  Activation activation;  // of integers: in their own units
  Rounding rounding = Rounding::kFixedPoint;
  bool operator==(const BinaryAttrs&) const = default;
};

// Every type that is a number, bool, and quantized. Other comparisons are these with a and b
// swapped.
enum class CompareKind : uint8_t { kEqual, kNotEqual, kLess, kLessEqual };
struct CompareAttrs {
  CompareKind kind = CompareKind::kEqual;
  bool operator==(const CompareAttrs&) const = default;
};

// Types: float32, float64 and quantized, unless the kind says otherwise.
enum class UnaryKind : uint8_t {
  kSigmoid,
  kTanh,
  kHardSwish,    // x * min(max(x + 3, 0), 6) / 6
  kHardSigmoid,  // min(max(alpha * x + beta, 0), 1)
  kLeakyRelu,    // x < 0 ? alpha * x : x
  kElu,          // x < 0 ? alpha * (exp(x) - 1) : x
  kSilu,         // x * sigmoid(x)
  kExp,
  kLog,
  kSqrt,
  kRsqrt,
  kSquare,  // integers too, as the next two
  kNeg,
  kAbs,
  kFloor,
  kCeil,
  kRound,  // half to even
  kSign,   // -1, 0 or 1; NaN stays; integers too
  kNot,    // bool, and integers bit by bit; nothing else
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kErf,
  kGelu,             // x * (1 + erf(x / sqrt(2))) / 2
  kGeluTanh,         // x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2
  kSoftplus,         // log(1 + exp(x))
  kSoftsign,         // x / (1 + |x|)
  kMish,             // x * tanh(log(1 + exp(x)))
  kCelu,             // x < 0 ? alpha * (exp(x / alpha) - 1) : x
  kThresholdedRelu,  // x > alpha ? x : 0
  kShrink,           // x < -alpha ? x + beta : x > alpha ? x - beta : 0
};
struct UnaryAttrs {
  UnaryKind kind = UnaryKind::kSigmoid;
  float alpha = 0.F;
  float beta = 0.F;
  bool operator==(const UnaryAttrs&) const = default;
};
struct ClampAttrs {  // float32, float64, quantized and integers, these in their own units
  Activation range;
  bool operator==(const ClampAttrs&) const = default;
};

enum class RandomKind : uint8_t { kUniform, kNormal };
struct RandomAttrs {  // offset + scale * (a number from [0, 1), or of the standard normal)
  RandomKind kind = RandomKind::kUniform;
  float offset = 0.F;
  float scale = 1.F;
  int64_t seed = 0;  // the same numbers in every run (kernels/ref/random.cc)
  bool operator==(const RandomAttrs&) const = default;
};

struct Pool2dAttrs {
  Window2d window;
  bool count_padding = false;  // average only: divide by the whole window (padding counts as zero)
  Activation activation;
  bool operator==(const Pool2dAttrs&) const = default;
};

// What the position (h, w) of a maximum becomes: h * W + w, h + w * H, or the number of the
// window's tap, counted over rows first.
enum class PoolIndex : uint8_t { kRowMajor, kColumnMajor, kTap };
struct MaxPoolIndicesAttrs {
  Window2d window;
  PoolIndex index = PoolIndex::kRowMajor;
  bool operator==(const MaxPoolIndicesAttrs&) const = default;
};

enum class ReduceKind : uint8_t {
  kMean,
  kSum,
  kMax,  // of bool: whether any is true
  kMin,  // of bool: whether all are true
  kProd,
  kL1,  // sum of magnitudes
  kL2,  // square root of the sum of squares
  kSumSquare,
  kLogSum,
  kLogSumExp,  // shifted by the maximum, so that it overflows only where the result does
};
// float32, float64 and quantized (quantized: the first four); integers too, which wrap around and
// whose means and roots are cut off towards zero; bool for kMax and kMin. Over no element: 0 for
// sums and norms, 1 for a product, NaN for a mean of floats, 0 for one of integers, the type's
// least value for kMax and its greatest for kMin (infinity for floats).
struct ReduceAttrs {
  ReduceKind kind = ReduceKind::kMean;
  std::vector<int> axes;  // sorted, unique, non-negative
  bool keep_dims = false;
  bool operator==(const ReduceAttrs&) const = default;
};
struct ArgMaxAttrs {  // every type
  int axis = 0;
  bool keep_dims = false;
  bool smallest = false;  // the index of the minimum instead
  bool last = false;      // of equal ones the last instead of the first
  bool operator==(const ArgMaxAttrs&) const = default;
};
enum class SoftmaxKind : uint8_t {
  kSoftmax,     // exp(beta * (x - max)) / sum of these
  kLogSoftmax,  // its logarithm
  kHardmax,     // 1 where the first maximum is, 0 elsewhere
};
struct SoftmaxAttrs {  // float64 too, but for kHardmax, which takes any number type
  int axis = -1;       // negative: counted from the end
  float beta = 1.F;
  SoftmaxKind kind = SoftmaxKind::kSoftmax;
  bool operator==(const SoftmaxAttrs&) const = default;
};
struct ConcatAttrs {
  int axis = 0;
  bool operator==(const ConcatAttrs&) const = default;
};
struct SliceAttrs {  // numpy's x[begin:end:step] per dimension, already clipped except kSliceEnd
  std::vector<int64_t> begin, end, step;  // one entry per dimension; step != 0
  bool operator==(const SliceAttrs&) const = default;
};
struct TrimAttrs {
  int axis = 0;  // non-negative
  bool operator==(const TrimAttrs&) const = default;
};
// As `end`: to the end of the dimension whatever its size (with a negative step: through index 0).
inline constexpr int64_t kSliceEnd = std::numeric_limits<int64_t>::max();

enum class PadMode : uint8_t {
  kConstant,
  kReflect,    // 2 1 | 0 1 2 3 | 2 1
  kSymmetric,  // 1 0 | 0 1 2 3 | 3 2
  kEdge,       // 0 0 | 0 1 2 3 | 3 3
  kWrap,       // 2 3 | 0 1 2 3 | 0 1
};
struct PadAttrs {
  std::vector<int64_t> before, after;  // one entry per dimension, >= 0
  float value = 0.F;                   // real units; kConstant only
  PadMode mode = PadMode::kConstant;
  bool operator==(const PadAttrs&) const = default;
};
struct ReshapeAttrs {
  // Target when there is no shape input: 0 copies the input's dimension at that index, -1 (once)
  // takes what remains.
  std::vector<int64_t> dims;
  bool zero_is_literal = false;  // 0 means zero elements (ONNX allowzero)
  bool operator==(const ReshapeAttrs&) const = default;
};
struct TransposeAttrs {
  std::vector<int> perm;  // y.shape[i] = x.shape[perm[i]]
  bool operator==(const TransposeAttrs&) const = default;
};
// Any chain of transpose, reshape, slice and expand, as long as each output dimension walks over
// the input in equal steps. Passes make it, no format has it.
struct StridedCopyAttrs {
  std::vector<int64_t> shape;    // of the output
  std::vector<int64_t> strides;  // one per dimension, in elements of the input; any sign, or 0
  int64_t offset = 0;            // of the first element
  // The rest describes one slice of x along dimension 0 and holds for each of them: y has x's
  // dimension 0 in front of `shape`.
  bool each_slice = false;
  bool operator==(const StridedCopyAttrs&) const = default;
};

// Indices of all operators below count from the end when negative, unless said otherwise. Data
// cannot make a kernel read or write out of bounds: what an index outside of x asks for is 0, and
// what it would write is left out.
struct GatherAttrs {  // kGather, kGatherElements
  int axis = 0;       // non-negative
  // kGather: x and indices share so many leading dimensions, of which each has indices of its own.
  int batch_dims = 0;
  bool operator==(const GatherAttrs&) const = default;
};
struct GatherNdAttrs {
  int batch_dims = 0;  // x and indices share so many leading dimensions
  bool operator==(const GatherNdAttrs&) const = default;
};
// What becomes of an element of x and an update for it; several updates of one element act one
// after the other.
enum class ScatterReduction : uint8_t { kNone, kAdd, kMul, kMax, kMin };
struct ScatterAttrs {  // kScatterElements, kScatterNd
  ScatterReduction reduction = ScatterReduction::kNone;
  int axis = 0;  // kScatterElements
  bool operator==(const ScatterAttrs&) const = default;
};
struct OneHotAttrs {
  int axis = 0;  // of the output
  // Otherwise a negative index is "off" everywhere, as one that is `depth` or more always is.
  bool negative_from_end = true;
  bool operator==(const OneHotAttrs&) const = default;
};
struct ReverseSequenceAttrs {
  int batch_axis = 0;
  int time_axis = 1;
  bool operator==(const ReverseSequenceAttrs&) const = default;
};
struct TriluAttrs {
  bool upper = true;  // keep column >= row + diagonal; otherwise column <= row + diagonal
  bool operator==(const TriluAttrs&) const = default;
};
struct TopKAttrs {
  int axis = 0;
  bool largest = true;
  bool operator==(const TopKAttrs&) const = default;
};
// How many rows or columns come out of kNonZero, kUnique and kNonMaxSuppression depends on data:
// they have room for the most there can be, `count` says how many are there, the rest is 0.
//
// Slices of x along `axis`, each of them once. y is as large as x; first, inverse and counts are
// int64[n]: where in x a slice of y comes first, where in y each slice of x is, how often it comes.
struct UniqueAttrs {
  int axis = 0;
  bool sorted = true;  // otherwise in the order in which they come first
  bool operator==(const UniqueAttrs&) const = default;
};
// Of boxes[B,A,4] and scores[B,K,A], for each image and class the best boxes that overlap no better
// one: selected int64[M,3] (image, class, box) and scores[M], the best first within a class.
// M = B * K * min(A, max_per_class).
struct NonMaxSuppressionAttrs {
  int64_t max_per_class = 0;
  float iou_threshold = 0.F;
  float score_threshold = -kInf;  // only scores above take part
  bool center_boxes = false;  // x, y of the centre, width, height; otherwise y, x of two corners
  // Whether an overlap of exactly iou_threshold suppresses (TensorFlow), or only more (ONNX).
  bool at_threshold = false;
  // > 0: what overlaps a better box less than that still loses score, by
  // exp(-0.5 * overlap^2 / soft_sigma).
  float soft_sigma = 0.F;
  bool operator==(const NonMaxSuppressionAttrs&) const = default;
};

enum class ResizeMode : uint8_t { kNearest, kLinear, kCubic };  // kResize: not cubic
// Where output pixel i samples the input: names as in ONNX Resize.
enum class ResizeCoordinates : uint8_t {
  kAsymmetric,
  kHalfPixel,
  kAlignCorners,
  kPytorchHalfPixel,
  kHalfPixelSymmetric,
  kTfHalfPixelForNn,
  kTfCropAndResize,  // kResizeAxis only
};
enum class NearestRounding : uint8_t { kFloor, kRoundPreferFloor, kRoundPreferCeil, kCeil };
struct ResizeAttrs {
  ResizeMode mode = ResizeMode::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  NearestRounding rounding = NearestRounding::kFloor;
  int64_t out_h = 0, out_w = 0;        // when > 0
  float scale_h = 0.F, scale_w = 0.F;  // otherwise out = floor(in * scale); when both are given the
                                       // scale decides coordinates
  bool operator==(const ResizeAttrs&) const = default;
};
// One dimension. Interpolating modes take float32 only; output position i is the sum of the input
// weighted by the triangle or Keys' cubic kernel around where i samples it, divided by the weights.
struct ResizeAxisAttrs {
  int axis = 0;  // non-negative
  ResizeMode mode = ResizeMode::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  NearestRounding rounding = NearestRounding::kRoundPreferFloor;
  int64_t out = 0;               // when > 0
  float scale = 0.F;             // as in ResizeAttrs
  float cubic = -0.75F;          // the kernel's parameter a
  bool exclude_outside = false;  // positions outside weigh nothing; otherwise they are the edge
  bool antialias = false;        // the kernel grows with the distance of samples
  // kTfCropAndResize: the part to take, relative to in - 1, and what lies outside.
  float crop_begin = 0.F, crop_end = 1.F;
  float outside = 0.F;
  bool operator==(const ResizeAxisAttrs&) const = default;
};

// The grid has positions x,y along W and H, or x,y,z over images [N,D,H,W,C] with a grid
// [N,OD,OH,OW,3]. They are from -1 to 1 over the image: over the centers of its border pixels when
// corners are aligned, over its edges otherwise; or they count pixels.
// What lies around the image: zeros, its border or its reflection; or whatever is sampled outside
// of the centers of its border pixels is zero.
enum class GridPadding : uint8_t { kZeros, kBorder, kReflection, kOnlyInside };
enum class GridPositions : uint8_t { kEdges, kAlignCorners, kPixels };
struct GridSampleAttrs {  // float32
  ResizeMode mode = ResizeMode::kLinear;
  GridPadding padding = GridPadding::kZeros;
  GridPositions positions = GridPositions::kEdges;
  bool operator==(const GridSampleAttrs&) const = default;
};
// A roi is x1,y1,x2,y2; one of an image that does not exist gives zeros.
struct RoiAlignAttrs {  // float32
  int64_t out_h = 1, out_w = 1;
  int sampling_ratio = 0;     // samples per side of an output pixel; 0: as many as input pixels
  float spatial_scale = 1.F;  // from coordinates of rois to pixels of x
  bool max = false;           // of the weighted pixels, instead of the mean of the samples
  bool half_pixel = true;     // pixel centers lie at halves; otherwise rois are at least a pixel
  bool operator==(const RoiAlignAttrs&) const = default;
};
struct RequantizeAttrs {
  // Fixed point: TensorFlow Lite's between two values of one 8-bit type (kernels/requantize.h).
  Rounding rounding = Rounding::kFloat;
  bool operator==(const RequantizeAttrs&) const = default;
};
struct CumSumAttrs {
  int axis = 0;            // non-negative
  bool exclusive = false;  // y[i] without x[i]
  bool reverse = false;    // from the end
  bool operator==(const CumSumAttrs&) const = default;
};
enum class NormalizeKind : uint8_t {
  kMeanVariance,  // (x - mean) / sqrt(variance + epsilon)
  kRms,           // x / sqrt(mean of squares + epsilon)
  kL2,            // x / max(sqrt(sum of squares), epsilon); 0 where that is 0 / 0
};
// Everything from `axis` on is one row, which is brought to a common size; then * scale + shift.
// float32; float64; kL2 without scale and shift quantized too (kernels/ref/normalize.cc).
struct NormalizeAttrs {
  NormalizeKind kind = NormalizeKind::kMeanVariance;
  int axis = 0;  // non-negative
  float epsilon = 0.F;
  bool operator==(const NormalizeAttrs&) const = default;
};
// y = x / (bias + alpha * sum of squares over [i - before, i + after] along axis) ^ beta
struct LocalResponseNormAttrs {
  int axis = 0;                   // non-negative
  int64_t before = 0, after = 0;  // neighbours, >= 0; those outside of x count as zero
  float alpha = 1.F, beta = 0.5F, bias = 1.F;
  bool operator==(const LocalResponseNormAttrs&) const = default;
};
struct BatchNormAttrs {
  int axis = 0;
  bool operator==(const BatchNormAttrs&) const = default;
};

// TFLite_Detection_PostProcess. Outputs float32: boxes[1,D,4] as ymin,xmin,ymax,xmax relative,
// classes[1,D] (0 = first after background), scores[1,D], count[1]; D = max_detections *
// max_classes_per_detection. `boxes` are y,x,h,w offsets to `anchors`.
struct DetectionPostProcessAttrs {
  int max_detections = 10;
  int max_classes_per_detection = 1;
  int detections_per_class = 100;
  bool regular_nms = false;
  float score_threshold = 0.F;
  float iou_threshold = 0.6F;
  int num_classes = 0;  // without background
  float y_scale = 10.F, x_scale = 10.F, h_scale = 5.F, w_scale = 5.F;
  bool operator==(const DetectionPostProcessAttrs&) const = default;
};

// The body's inputs are iteration (int64[]), condition (bool[]), carried..., captured...; its
// outputs condition, carried..., scanned.... It runs while the condition holds, `most` times at
// most. Scanned values of all iterations are stacked along a new dimension 0.
struct LoopAttrs {
  int carried = 0;
  int scanned = 0;
  bool operator==(const LoopAttrs&) const = default;
};

// One step of a filter over time: x * w' enters the state from the right, whose oldest column
// leaves it; y = the sum over `rank` neighbouring filters of state . t, plus bias. float32; or int8
// with w int8, t and state int16 and an int32 bias, which rounds as TensorFlow Lite's integer
// kernel does (kernels/fixed_point.h).
struct SvdfAttrs {
  int rank = 1;
  Activation activation;  // float32 only
  bool operator==(const SvdfAttrs&) const = default;
};

// kExpand, kTile, kUpdateSlice, kRange, kNonZero, kCast, kQuantize, kDequantize, kSelect, kShape
// and kPRelu have no attributes: types and shapes say everything.
using OpAttrs =
    std::variant<std::monostate, Conv2dAttrs, FullyConnectedAttrs, MatMulAttrs, BinaryAttrs,
                 UnaryAttrs, ClampAttrs, Pool2dAttrs, ReduceAttrs, ArgMaxAttrs, SoftmaxAttrs,
                 ConcatAttrs, SliceAttrs, PadAttrs, ReshapeAttrs, TransposeAttrs, GatherAttrs,
                 ResizeAttrs, BatchNormAttrs, DetectionPostProcessAttrs, RequantizeAttrs,
                 StridedCopyAttrs, TrimAttrs, LoopAttrs, CompareAttrs, ConvTranspose2dAttrs,
                 MaxPoolIndicesAttrs, ResizeAxisAttrs, GridSampleAttrs, RoiAlignAttrs, RandomAttrs,
                 GatherNdAttrs, ScatterAttrs, OneHotAttrs, ReverseSequenceAttrs, TriluAttrs,
                 TopKAttrs, UniqueAttrs, NonMaxSuppressionAttrs, CumSumAttrs, NormalizeAttrs,
                 LocalResponseNormAttrs, RnnAttrs, GruAttrs, LstmAttrs, QuantizedLstmAttrs,
                 SvdfAttrs, TreeEnsembleAttrs>;

}  // namespace inferd
