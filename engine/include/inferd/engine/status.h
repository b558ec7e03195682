// SPDX-License-Identifier: Apache-2.0
//
// Errors as values. A function that can fail returns Status or Result<T>; both are [[nodiscard]].
//
//   Result<Shape> shape = parse_shape(text);
//   if (!shape.ok()) return shape.status();
//
//   INFERD_ASSIGN_OR_RETURN(Shape shape, parse_shape(text));   // the same, shorter
//
// A message says what is wrong, where (node, file offset, key), and what to do about it. It is a
// sentence without a trailing period and without a prefix that names the code.
// No exception crosses the edge of a module.
#pragma once

#include <cassert>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace inferd {

// Numbered as gRPC's status codes, so that a server can pass them on unchanged.
enum class StatusCode : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};

// "INVALID_ARGUMENT" and so on, as gRPC spells them.
std::string_view status_code_name(StatusCode code);

// Cheap to pass: one pointer, null when OK. Copies share the message. Safe to read from any thread.
class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message);

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  const std::string& message() const;

  // "INVALID_ARGUMENT: message", or "OK".
  std::string to_string() const;

  // The same code, with `context` and ": " before the message. OK stays OK.
  Status with_context(std::string_view context) const;

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  std::shared_ptr<const Rep> rep_;
};

inline Status ok_status() { return {}; }
Status invalid_argument(std::string message);
Status not_found(std::string message);
Status already_exists(std::string message);
Status failed_precondition(std::string message);
Status resource_exhausted(std::string message);
Status out_of_range(std::string message);
Status unimplemented(std::string message);
Status unavailable(std::string message);
Status deadline_exceeded(std::string message);
Status cancelled(std::string message);
Status permission_denied(std::string message);
Status data_loss(std::string message);  // a file or message is truncated or corrupt
Status internal_error(std::string message);

// A value or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    assert(!std::get<Status>(state_).ok() && "an OK status carries no value");
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  // Precondition of these: ok().
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace inferd

#define INFERD_CONCAT_INNER(a, b) a##b
#define INFERD_CONCAT(a, b) INFERD_CONCAT_INNER(a, b)

#define INFERD_RETURN_IF_ERROR(expr)                                                        \
  do {                                                                                      \
    if (::inferd::Status inferd_status = (expr); !inferd_status.ok()) return inferd_status; \
  } while (false)

#define INFERD_ASSIGN_OR_RETURN(decl, expr) \
  INFERD_ASSIGN_OR_RETURN_INNER(INFERD_CONCAT(inferd_result_, __LINE__), decl, expr)
#define INFERD_ASSIGN_OR_RETURN_INNER(tmp, decl, expr) \
  auto tmp = (expr);                                   \
  if (!tmp.ok()) return tmp.status();                  \
  decl = std::move(tmp).value()
