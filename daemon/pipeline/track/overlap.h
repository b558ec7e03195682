// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

float area(const Box& box);  // 0 for boxes that are inside out

// Of what both cover.
float shared_area(const Box& a, const Box& b);

// Intersection over union, 0..1; 0 when both are empty.
float overlap(const Box& a, const Box& b);

}  // namespace inferd::pipeline
