// One number for everything that a scheduler decided: equal runs have equal hashes.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "core/command.h"

namespace laxity {

/// FNV-1a over 64-bit words. Detects differences; no protection against anybody who wants none to be seen.
class CommandHash {
 public:
  void add(Instant now, const Command& command) noexcept;
  std::uint64_t value() const noexcept { return value_; }

 private:
  void word(std::uint64_t word) noexcept { value_ = (value_ ^ word) * 0x100000001b3u; }
  void fold(const AnswerTask& command) noexcept;
  void fold(const StartSegment& command) noexcept;
  void fold(const StartBatch& command) noexcept;
  void fold(const TerminateBatch& command) noexcept;
  void fold(const SettleJob& command) noexcept;
  void fold(const ForgetJob& command) noexcept;
  void fold(const SetTimer& command) noexcept;
  void fold(const ComputePlan& command) noexcept;

  std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace laxity
