// Answers about streams, on their way from the strand to the network thread.
//
// A stream is answered when it is admitted or refused, and again whenever its promise changes; the strand
// must not wait for the network thread to look, nor may a change be lost because many came at once. Only the
// newest state of a stream matters, and how often it lost its promise. So each slot of the stream table has
// three copies: one the strand fills, one the network thread reads, and the newest whole one in between; both
// sides exchange theirs for it in one atomic step. The mailbox is as large as the table and never full.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/command.h"

namespace laxity {

/// Everything that was said of one stream so far.
struct StreamNews {
  AnswerTask verdict;                ///< The first answer.
  AnswerTask latest;                 ///< The newest; equal to `verdict` until there is another.
  std::uint32_t loss_count = 0;      ///< Later answers that took a promise away …
  std::uint32_t return_count = 0;    ///< … and that gave it back.
  Reason last_loss = Reason::kNone;  ///< Why it was taken away the last time.
};

class StreamMailbox {
 public:
  /// Stream `id` has the slot `id modulo slot_count`.
  explicit StreamMailbox(std::size_t slot_count);

  /// Inside the strand; does not block. News of an earlier stream in the same slot are dropped if they were
  /// not taken: whoever gave the slot away did not wait for them.
  void put(const AnswerTask& answer) noexcept;

  /// True when take() would find something. Any thread.
  bool has_news() const noexcept { return head_.load(std::memory_order_seq_cst) != kNone; }

  /// Calls `on_news(const StreamNews&)` for each stream with news, in the order of answering. The network
  /// thread.
  template <typename OnNews>
  void take(OnNews&& on_news) {
    std::uint32_t node = take_list();
    while (node != kNone) {
      Slot& slot = slots_[node];
      node = slot.next;
      // Before the look: whoever puts from here on lists the slot again.
      slot.is_listed.store(false, std::memory_order_seq_cst);
      if ((slot.middle.load(std::memory_order_seq_cst) & kFresh) == 0) continue;
      slot.front = slot.middle.exchange(slot.front, std::memory_order_seq_cst) & kCopyMask;
      on_news(static_cast<const StreamNews&>(slot.copies[slot.front]));
    }
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint8_t kCopyMask = 3, kFresh = 4;
  struct Slot {
    StreamNews written;  // the strand's
    std::array<StreamNews, 3> copies;
    std::atomic<std::uint8_t> middle{
        1};                  // which copy is between the two, and whether it is newer than `front`
    std::uint8_t back = 0;   // the strand's copy
    std::uint8_t front = 2;  // the network thread's
    bool was_used = false;
    std::atomic<bool> is_listed{false};
    std::uint32_t next = kNone;
  };

  std::uint32_t take_list() noexcept;

  std::size_t slot_count_;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::uint32_t> head_{kNone};
};

}  // namespace laxity
