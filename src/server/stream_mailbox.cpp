#include "server/stream_mailbox.h"

#include "base/check.h"

namespace laxity {

StreamMailbox::StreamMailbox(std::size_t slot_count)
    : slot_count_(slot_count), slots_(new Slot[slot_count]) {}

void StreamMailbox::put(const AnswerTask& answer) noexcept {
  LAXITY_CHECK(slot_count_ > 0);
  const auto node = static_cast<std::uint32_t>(index(answer.task) % slot_count_);
  Slot& slot = slots_[node];
  StreamNews& news = slot.written;
  if (!slot.was_used || news.latest.task != answer.task) {
    slot.was_used = true;
    news = StreamNews{answer, answer, 0, 0, Reason::kNone};
  } else {
    const bool was_lost = news.latest.reason != Reason::kNone;
    const bool is_lost = answer.reason != Reason::kNone;
    if (is_lost) {
      ++news.loss_count;
      news.last_loss = answer.reason;
    }
    if (was_lost && !is_lost) ++news.return_count;
    news.latest = answer;
  }
  slot.copies[slot.back] = news;
  slot.back = slot.middle.exchange(slot.back | kFresh, std::memory_order_seq_cst) & kCopyMask;
  if (slot.is_listed.exchange(true, std::memory_order_seq_cst)) return;  // it will be looked at
  std::uint32_t head = head_.load(std::memory_order_relaxed);
  do {
    slot.next = head;
  } while (!head_.compare_exchange_weak(head, node, std::memory_order_seq_cst, std::memory_order_relaxed));
}

/// The whole list, oldest first.
std::uint32_t StreamMailbox::take_list() noexcept {
  std::uint32_t node = head_.exchange(kNone, std::memory_order_seq_cst);
  std::uint32_t reversed = kNone;
  while (node != kNone) {
    const std::uint32_t rest = slots_[node].next;
    slots_[node].next = reversed;
    reversed = node;
    node = rest;
  }
  return reversed;
}

}  // namespace laxity
