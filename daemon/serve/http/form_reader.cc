// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/form_reader.h"

#include <utility>

namespace inferd::serve {
namespace {

constexpr size_t kMaxFields = 16;
constexpr size_t kBufferBytes = 64 << 10;  // holds the head of a field, and passes its content on

}  // namespace

std::unique_ptr<FormReader> FormReader::create(MHD_Connection* connection,
                                               std::map<std::string, std::string>& fields) {
  std::unique_ptr<FormReader> reader(new FormReader(fields));
  reader->reader_ = MHD_create_post_processor(connection, kBufferBytes, &keep, reader.get());
  return reader->reader_ == nullptr ? nullptr : std::move(reader);
}

FormReader::~FormReader() {
  if (reader_ != nullptr) MHD_destroy_post_processor(reader_);
}

bool FormReader::add(std::string_view data) {
  return MHD_post_process(reader_, data.data(), data.size()) == MHD_YES;
}

bool FormReader::finish() {
  return MHD_destroy_post_processor(std::exchange(reader_, nullptr)) == MHD_YES;
}

MHD_Result FormReader::keep(void* cls, MHD_ValueKind, const char* name, const char*, const char*,
                            const char*, const char* data, uint64_t, size_t size) {
  auto& fields = static_cast<FormReader*>(cls)->fields_;
  const auto field = fields.find(name);
  if (field == fields.end() && fields.size() >= kMaxFields) return MHD_NO;
  (field == fields.end() ? fields[name] : field->second).append(data, size);
  return MHD_YES;
}

}  // namespace inferd::serve
