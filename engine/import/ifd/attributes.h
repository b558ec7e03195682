// SPDX-License-Identifier: Apache-2.0
//
// Attributes of operators, by the names of base/op_fields.h. Private to import/ifd.
#pragma once

#include <vector>

#include "engine/base/op.h"
#include "ifd_generated.h"
#include "inferd/engine/status.h"

namespace inferd::import {

using AttributeList = flatbuffers::Vector<flatbuffers::Offset<ifd::Attribute>>;

std::vector<flatbuffers::Offset<ifd::Attribute>> write_attributes(
    const OpAttrs& attrs, flatbuffers::FlatBufferBuilder& builder);

// Members that the list lacks keep their defaults. INVALID_ARGUMENT when it has one that the
// operator lacks, or a value that is none of the member's. `list` may be null.
Status read_attributes(const AttributeList* list, OpAttrs* attrs);

}  // namespace inferd::import
