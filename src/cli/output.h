// What people see: progress on standard error, colours only on a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace laxity {

/// Exit statuses of the program (contracts section 2).
enum class ExitStatus : int {
  kDone = 0,
  kNo = 1,           ///< The answer is no: a check or a replay differs.
  kWrongInput = 2,   ///< The command or its input is wrong.
  kEnvironment = 3,  ///< Port taken, engine missing, disk full.
};
int to_int(ExitStatus status) noexcept;

/// Which status an error ends the program with.
ExitStatus exit_status(const Error& error) noexcept;

/// Prints "laxity: <message>" on standard error and returns the status to end with.
int report(const Error& error);

/// True when standard error is a terminal and NO_COLOR is not set.
bool error_stream_is_colourful() noexcept;

/// A bar with the time left, on a terminal; elsewhere a line every five seconds. Shown once the
/// work has taken half a second.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `done` of `total` units are finished; `label` says what is under way.
  void update(std::uint64_t done, std::uint64_t total, std::string_view label);

 private:
  bool on_terminal_;
  std::int64_t started_ms_;
  std::int64_t drawn_ms_ = 0;
  bool drawn_ = false;
};

}  // namespace laxity
