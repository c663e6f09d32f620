#include "core/slowdown_table.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

// Nanoseconds times parts per million leave 64 bits after about three hours of work.
__extension__ using Wide = unsigned __int128;

Wide multiply(std::uint64_t a, std::uint64_t b) { return static_cast<Wide>(a) * b; }

std::uint64_t divide_up(Wide a, std::uint64_t b) { return static_cast<std::uint64_t>((a + b - 1) / b); }

}  // namespace

void SlowdownTable::set(CategoryId of, CategoryId beside, FactorPpm factor) {
  LAXITY_CHECK(factor >= kFactorOne && factor <= kFactorMax);
  factors_[{of, beside}] = factor;
}

FactorPpm SlowdownTable::factor(CategoryId of, CategoryId beside) const noexcept {
  const auto found = factors_.find({of, beside});
  return found == factors_.end() ? kFactorOne : found->second;
}

FactorPpm SlowdownTable::factor(CategoryId of, std::span<const CategoryId> beside) const noexcept {
  FactorPpm all = kFactorOne;
  for (const CategoryId other : beside) all = std::min(kFactorMax, all + (factor(of, other) - kFactorOne));
  return all;
}

SharedProgress::SharedProgress(const SlowdownTable& table, std::size_t slot_count)
    : table_(table), pieces_(slot_count) {
  LAXITY_CHECK(slot_count >= 1);
  beside_.reserve(slot_count);
}

std::optional<std::size_t> SharedProgress::free_slot() const noexcept {
  for (std::size_t slot = 0; slot < pieces_.size(); ++slot) {
    if (!pieces_[slot]) return slot;
  }
  return std::nullopt;
}

void SharedProgress::start(Instant now, std::size_t slot, CategoryId category, Duration work) {
  LAXITY_CHECK(!is_busy(slot) && work >= Duration::zero());
  advance(now);
  pieces_[slot] = Piece{category, work, kFactorOne};
  refresh_factors();
}

void SharedProgress::add_work(Instant now, std::size_t slot, Duration more) {
  LAXITY_CHECK(is_busy(slot) && more >= Duration::zero());
  advance(now);
  pieces_[slot]->remaining += more;
}

void SharedProgress::remove(Instant now, std::size_t slot) {
  LAXITY_CHECK(is_busy(slot));
  advance(now);
  pieces_[slot].reset();
  refresh_factors();
}

Instant SharedProgress::finish(std::size_t slot) const {
  LAXITY_CHECK(is_busy(slot));
  const Piece& piece = *pieces_[slot];
  const auto remaining = static_cast<std::uint64_t>(piece.remaining.count());
  return updated_ +
         Duration(static_cast<std::int64_t>(divide_up(multiply(remaining, piece.factor), kFactorOne)));
}

void SharedProgress::advance(Instant now) {
  LAXITY_CHECK(now >= updated_);
  const auto elapsed = static_cast<std::uint64_t>((now - updated_).count());
  updated_ = now;
  for (std::optional<Piece>& piece : pieces_) {
    if (!piece) continue;
    const auto progress = static_cast<std::int64_t>(multiply(elapsed, kFactorOne) / piece->factor);
    piece->remaining = std::max(Duration::zero(), piece->remaining - Duration(progress));
  }
}

void SharedProgress::refresh_factors() {
  for (std::size_t slot = 0; slot < pieces_.size(); ++slot) {
    if (!pieces_[slot]) continue;
    beside_.clear();
    for (std::size_t other = 0; other < pieces_.size(); ++other) {
      if (other != slot && pieces_[other]) beside_.push_back(pieces_[other]->category);
    }
    pieces_[slot]->factor = table_.factor(pieces_[slot]->category, beside_);
  }
}

}  // namespace laxity
