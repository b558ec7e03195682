// SPDX-License-Identifier: Apache-2.0
//
// What GStreamer's buffers are as frames.
#pragma once

#include <gst/gst.h>

#include "daemon/pipeline/frame.h"

namespace inferd::pipeline {

// What to_frame() understands: raw video in the formats of media::Picture, raw audio as 32-bit
// floats or 16-bit integers, interleaved. The caller's to unref.
GstCaps* frame_caps();

// Makes the sample's buffer the frame's picture, without a copy: `lease` keeps it mapped. Where a
// format shares colours among neighbours, an odd last column or row is left out. Sound is copied
// into the frame's samples, one row a moment, one column a channel, full scale -1 to 1.
Status to_frame(GstSample* sample, Frame& frame);

}  // namespace inferd::pipeline
