// A value or an error: the subset of C++23's std::expected that we need, with the same member names.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace laxity {

/// Each code says what the caller should do next. Missed deadlines are outcomes (core/outcome.h), not errors.
enum class ErrorCode {
  kInvalidArgument,  ///< Fix the request or the file: what was expected, found, and where is in the message.
  kNotFound,         ///< Ask for something that exists; the message names the nearest known name.
  kTooLarge,         ///< Send less: the message has the limit.
  kResourceExhausted,   ///< Retry later: a bounded queue or table is full.
  kUnavailable,         ///< Retry elsewhere or later: not ready, shutting down.
  kFailedPrecondition,  ///< An operator must act: stale profile, missing library, port taken, disk full.
  kInternal,            ///< A foreign library failed; its words are in the message.
};

/// Lower-case name with underscores, for messages and JSON: "invalid_argument".
const char* name(ErrorCode code) noexcept;

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

/// Success without a value: `Result<Unit>`.
struct Unit {};

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    LAXITY_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  T& checked() {
    LAXITY_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

using Status = Result<Unit>;

inline Error invalid_argument(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}
inline Error not_found(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }
inline Error failed_precondition(std::string message) {
  return {ErrorCode::kFailedPrecondition, std::move(message)};
}

}  // namespace laxity
