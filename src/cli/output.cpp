#include "cli/output.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace laxity {
namespace {

constexpr std::int64_t kQuietPeriodMs = 500;   // shorter work needs no bar
constexpr std::int64_t kRedrawPeriodMs = 100;  // faster only flickers
constexpr std::int64_t kLogPeriodMs = 5000;    // where lines are kept, few tell as much
constexpr int kBarWidth = 28;

std::int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

int to_int(ExitStatus status) noexcept { return static_cast<int>(status); }

ExitStatus exit_status(const Error& error) noexcept {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kTooLarge:
      return ExitStatus::kWrongInput;
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kUnavailable:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kInternal:
      return ExitStatus::kEnvironment;
  }
  return ExitStatus::kEnvironment;
}

int report(const Error& error) {
  const bool colour = error_stream_is_colourful();
  std::fprintf(stderr, "%slaxity:%s %s\n", colour ? "\x1b[31m" : "", colour ? "\x1b[0m" : "",
               error.message.c_str());
  return to_int(exit_status(error));
}

bool error_stream_is_colourful() noexcept {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(STDERR_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

ProgressBar::ProgressBar() : on_terminal_(isatty(STDERR_FILENO) == 1), started_ms_(monotonic_ms()) {}

ProgressBar::~ProgressBar() {
  if (drawn_ && on_terminal_) std::fprintf(stderr, "\r\x1b[K");
}

void ProgressBar::update(std::uint64_t done, std::uint64_t total, std::string_view label) {
  const std::int64_t now_ms = monotonic_ms();
  const std::int64_t elapsed_ms = now_ms - started_ms_;
  if (total == 0 || elapsed_ms < kQuietPeriodMs) return;
  if (!on_terminal_) {
    if (drawn_ && now_ms - drawn_ms_ < kLogPeriodMs) return;
    drawn_ms_ = now_ms;
    drawn_ = true;
    std::fprintf(stderr, "   %3d %%  %.*s\n", static_cast<int>(done * 100 / total),
                 static_cast<int>(label.size()), label.data());
    return;
  }
  if (drawn_ && now_ms - drawn_ms_ < kRedrawPeriodMs) return;
  drawn_ms_ = now_ms;
  drawn_ = true;
  const auto filled = static_cast<int>(done * kBarWidth / total);
  const std::int64_t left_ms =
      done == 0 ? 0 : elapsed_ms * static_cast<std::int64_t>(total - done) / static_cast<std::int64_t>(done);
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) bar += i < filled ? "█" : "░";
  std::fprintf(stderr, "\r\x1b[K   %s %3d %%  %lld s left  %.*s", bar.c_str(),
               static_cast<int>(done * 100 / total), static_cast<long long>((left_ms + 999) / 1000),
               static_cast<int>(label.size()), label.data());
  std::fflush(stderr);
}

}  // namespace laxity
