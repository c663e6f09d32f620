// What a client asks for with `POST /v2/streams`: bytes to a contract, and a stream's name to its id.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "core/task.h"
#include "server/oip_codec.h"

namespace laxity {

/// A contract that was asked for, checked by itself: whether it can be promised is the policy's to say.
struct StreamAsk {
  const ModelCodec* codec = nullptr;
  Task task;                         ///< Without id and first release.
  std::optional<Duration> start_in;  ///< The first frame is due so long after the request was received.
};

/// Spans of time on the wire, as numbers of milliseconds. Longer than a day is a mistake of unit, and would
/// overflow sums further down; more than ten thousand frames a second are none of one stream.
inline constexpr Duration kStreamTimeMax = std::chrono::hours(24);
inline constexpr Duration kStreamPeriodMin = std::chrono::microseconds(100);

/// Owned by one thread.
class StreamDecoder {
 public:
  /// `models` must outlive this.
  explicit StreamDecoder(std::span<const std::unique_ptr<ModelCodec>> models);
  ~StreamDecoder();
  StreamDecoder(const StreamDecoder&) = delete;
  StreamDecoder& operator=(const StreamDecoder&) = delete;

  /// Decodes `body`, behind which kBodyPadding more bytes must be readable. Times are rounded to the nearest
  /// nanosecond. What is not said: jitter a tenth of the period, deadline the period, kind firm, endless,
  /// phase fixed by frame 0, the model's best variant, whatever guarantee the policy gives.
  /// Errors: kInvalidArgument: what was expected, found, where, and the nearest known key; kNotFound: no such
  /// model.
  Result<StreamAsk> decode(std::span<const std::byte> body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "s-17".
std::string stream_name(TaskId id);
/// None: not the name of any stream.
std::optional<TaskId> stream_id(std::string_view name) noexcept;

/// True when `given` says at least what `asked` does. "demand" holds for ever and any phase, "plan" for all
/// frames of a finite stream, "plan-rolling" up to a time that moves on, "nominal" while times equal the
/// table, "none" never.
bool is_at_least(Guarantee given, Guarantee asked) noexcept;

}  // namespace laxity
