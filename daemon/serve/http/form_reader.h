// SPDX-License-Identifier: Apache-2.0
//
// A form with files (multipart/form-data), read while it comes: libmicrohttpd's reader behind plain
// functions.
#pragma once

#include <microhttpd.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace inferd::serve {

// By one thread.
class FormReader {
 public:
  // Values and contents of files are put into `fields`, which outlives it. Null: the Content-Type
  // of the request is none of a form with a boundary.
  static std::unique_ptr<FormReader> create(MHD_Connection* connection,
                                            std::map<std::string, std::string>& fields);
  ~FormReader();
  FormReader(const FormReader&) = delete;
  FormReader& operator=(const FormReader&) = delete;

  // Fields together are never longer than what was added. False: it is malformed, or has too many
  // fields.
  bool add(std::string_view data);
  // Once, after the last piece. False: it ends too early.
  bool finish();

 private:
  explicit FormReader(std::map<std::string, std::string>& fields) : fields_(fields) {}
  static MHD_Result keep(void* cls, MHD_ValueKind kind, const char* name, const char* file,
                         const char* type, const char* encoding, const char* data, uint64_t offset,
                         size_t size);

  std::map<std::string, std::string>& fields_;
  MHD_PostProcessor* reader_ = nullptr;  // null: finished
};

}  // namespace inferd::serve
