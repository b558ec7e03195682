// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/gstreamer_frame.h"

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include <cstring>
#include <optional>

namespace inferd::pipeline {
namespace {

using media::ColorSpace;
using media::PixelFormat;

std::optional<PixelFormat> format_of(GstVideoFormat format) {
  switch (format) {
    case GST_VIDEO_FORMAT_RGB:
      return PixelFormat::kRgb;
    case GST_VIDEO_FORMAT_BGR:
      return PixelFormat::kBgr;
    case GST_VIDEO_FORMAT_RGBx:
    case GST_VIDEO_FORMAT_RGBA:
      return PixelFormat::kRgbx;  // whatever shines through
    case GST_VIDEO_FORMAT_BGRx:
    case GST_VIDEO_FORMAT_BGRA:
      return PixelFormat::kBgrx;
    case GST_VIDEO_FORMAT_GRAY8:
      return PixelFormat::kGrey;
    case GST_VIDEO_FORMAT_YUY2:
      return PixelFormat::kYuyv;
    case GST_VIDEO_FORMAT_UYVY:
      return PixelFormat::kUyvy;
    case GST_VIDEO_FORMAT_NV12:
      return PixelFormat::kNv12;
    case GST_VIDEO_FORMAT_NV21:
      return PixelFormat::kNv21;
    case GST_VIDEO_FORMAT_I420:
      return PixelFormat::kI420;
    default:
      return std::nullopt;
  }
}

// Cameras and decoders that do not say mean BT.709 for high definition, as GStreamer takes it too.
ColorSpace color_of(const GstVideoInfo& info) {
  const bool full = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  const auto matrix = info.colorimetry.matrix;
  const bool unknown =
      matrix == GST_VIDEO_COLOR_MATRIX_UNKNOWN || matrix == GST_VIDEO_COLOR_MATRIX_RGB;
  const bool bt601 = matrix == GST_VIDEO_COLOR_MATRIX_BT601 ||
                     matrix == GST_VIDEO_COLOR_MATRIX_FCC || (unknown && info.height < 720);
  if (bt601) return full ? ColorSpace::kBt601Full : ColorSpace::kBt601;
  return full ? ColorSpace::kBt709Full : ColorSpace::kBt709;
}

// A buffer that can be read as long as this lives.
class MappedVideo {
 public:
  MappedVideo(GstBuffer* buffer, GstVideoInfo& info) {
    mapped_ = gst_video_frame_map(&frame_, &info, buffer, GST_MAP_READ) != FALSE;
  }
  ~MappedVideo() {
    if (mapped_) gst_video_frame_unmap(&frame_);
  }
  MappedVideo(const MappedVideo&) = delete;
  MappedVideo& operator=(const MappedVideo&) = delete;

  const GstVideoFrame* frame() const { return mapped_ ? &frame_ : nullptr; }

 private:
  GstVideoFrame frame_{};
  bool mapped_ = false;
};

Status video_to_frame(GstBuffer* buffer, const GstCaps* caps, Frame& frame) {
  GstVideoInfo info;
  if (gst_video_info_from_caps(&info, caps) == FALSE) return internal_error("video of no format");
  const auto format = format_of(GST_VIDEO_INFO_FORMAT(&info));
  if (!format)
    return unimplemented(std::string("video in the format ") + GST_VIDEO_INFO_NAME(&info) +
                         "; put 'videoconvert' at the end of 'launch'");
  const auto mapped = std::make_shared<const MappedVideo>(buffer, info);
  const GstVideoFrame* video = mapped->frame();
  if (video == nullptr)
    return unavailable(
        "a buffer of video cannot be read by the processor; put an element at the end of 'launch' "
        "that copies it to normal memory");
  media::Picture picture;
  picture.format = *format;
  picture.color = color_of(info);
  const GstVideoFormatInfo* layout = info.finfo;
  // Pixels that share a colour, across and down; 2 to the power of it.
  const int across = layout->w_sub[layout->n_components > 1 ? 1 : 0];
  const int down = layout->h_sub[layout->n_components > 1 ? 1 : 0];
  picture.width = info.width >> across << across;
  picture.height = info.height >> down << down;
  if (picture.width == 0 || picture.height == 0)
    return invalid_argument("video of " + std::to_string(info.width) + " x " +
                            std::to_string(info.height) + " pixels");
  for (guint plane = 0; plane < layout->n_planes; ++plane) {
    const int stride = video->info.stride[plane];
    if (stride <= 0) return unimplemented("video that stands on its head (a negative stride)");
    picture.planes[plane] = static_cast<const uint8_t*>(video->data[plane]);
    picture.strides[plane] = static_cast<size_t>(stride);
  }
  frame.picture = picture;
  frame.lease = mapped;
  frame.samples.rows = 0;
  return ok_status();
}

Status audio_to_frame(GstBuffer* buffer, const GstCaps* caps, Frame& frame) {
  GstAudioInfo info;
  if (gst_audio_info_from_caps(&info, caps) == FALSE) return internal_error("sound of no format");
  const bool floats = GST_AUDIO_INFO_FORMAT(&info) == GST_AUDIO_FORMAT_F32LE;
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_READ) == FALSE)
    return unavailable("a buffer of sound cannot be read by the processor");
  const size_t rows = map.size / static_cast<size_t>(info.bpf);
  const size_t values = rows * static_cast<size_t>(info.channels);
  Samples& samples = frame.samples;
  samples.rows = static_cast<int>(rows);
  samples.columns = info.channels;
  samples.rate_hz = info.rate;
  samples.names = nullptr;
  samples.values.resize(values);
  if (floats) {
    if (values > 0) std::memcpy(samples.values.data(), map.data, values * sizeof(float));
  } else {
    for (size_t i = 0; i < values; ++i) {
      int16_t value = 0;
      std::memcpy(&value, map.data + i * sizeof value, sizeof value);
      samples.values[i] = static_cast<float>(value) / 32768.F;
    }
  }
  gst_buffer_unmap(buffer, &map);
  frame.picture = {};
  frame.lease = nullptr;
  return ok_status();
}

}  // namespace

GstCaps* frame_caps() {
  return gst_caps_from_string(
      "video/x-raw,format={RGB,BGR,RGBx,BGRx,RGBA,BGRA,GRAY8,YUY2,UYVY,NV12,NV21,I420};"
      "audio/x-raw,format={F32LE,S16LE},layout=interleaved");
}

Status to_frame(GstSample* sample, Frame& frame) {
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  const GstCaps* caps = gst_sample_get_caps(sample);
  if (buffer == nullptr || caps == nullptr) return internal_error("a sample without a buffer");
  const char* type = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  if (std::strcmp(type, "audio/x-raw") == 0) return audio_to_frame(buffer, caps, frame);
  return video_to_frame(buffer, caps, frame);
}

}  // namespace inferd::pipeline
