// What threads pass to each other through: a bounded queue of values, and a doorbell for who may be asleep.
//
// Waking a thread that sleeps on another core costs 15 to 40 us, so both are built to avoid it: posting never
// takes a lock, and ringing costs one atomic operation unless the other side really sleeps. There are no
// mutexes here, hence nothing to annotate: whoever finds a queue full is told so, whoever finds it empty goes
// away or waits at its bell.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>

#include "base/check.h"
#include "live/steady_clock.h"

namespace laxity {

inline constexpr std::size_t kCacheLineSize = 64;

/// Tells the core that this is a waiting loop.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Bounded queue, many writers, one reader at a time. Values leave in the order in which their places were
/// taken. A writer that is interrupted between taking a place and filling it hides what follows until it goes
/// on. Allocates only when made.
template <typename T>
class BoundedQueue {
 public:
  /// Room for `length_max` values, rounded up to a power of two.
  explicit BoundedQueue(std::size_t length_max)
      : mask_(std::bit_ceil(length_max < 2 ? std::size_t{2} : length_max) - 1), cells_(new Cell[mask_ + 1]) {
    for (std::size_t i = 0; i <= mask_; ++i) cells_[i].turn.store(i, std::memory_order_relaxed);
  }

  /// False when full. Any thread; does not block.
  bool try_push(const T& value) noexcept {
    std::size_t place = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[place & mask_];
      const std::size_t turn = cell.turn.load(std::memory_order_acquire);
      if (turn == place) {
        if (tail_.compare_exchange_weak(place, place + 1, std::memory_order_relaxed)) {
          cell.value = value;
          // Sequentially consistent: the strand's hand-over relies on this store and its own flag being in
          // one order.
          cell.turn.store(place + 1, std::memory_order_seq_cst);
          return true;
        }
      } else if (turn < place) {
        return false;
      } else {
        place = tail_.load(std::memory_order_relaxed);
      }
    }
  }

  /// The oldest value, or null; it stays until `pop`. Reader only. Anybody may ask whether it is null: true
  /// for some moment around the call.
  const T* front() const noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    const Cell& cell = cells_[head & mask_];
    return cell.turn.load(std::memory_order_seq_cst) == head + 1 ? &cell.value : nullptr;
  }
  /// Precondition: front() is not null. Reader only.
  void pop() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    cells_[head & mask_].turn.store(head + mask_ + 1, std::memory_order_release);
    head_.store(head + 1, std::memory_order_relaxed);
  }

  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  struct Cell {
    std::atomic<std::size_t> turn{0};  // == place: free for that writer; == place + 1: filled for the reader
    T value{};
  };
  const std::size_t mask_;
  std::unique_ptr<Cell[]> cells_;
  alignas(kCacheLineSize) std::atomic<std::size_t> tail_{0};
  alignas(kCacheLineSize) std::atomic<std::size_t> head_{0};
};

/// Where one thread waits to be called. Rings are bits: several rings of one bit before the sleeper looks are
/// one.
class Doorbell {
 public:
  using Bits = std::uint32_t;
  static constexpr Bits kSleeping = Bits{1} << 31;  ///< Not for callers.

  /// Any thread; a system call only if the waiter sleeps. True: it did.
  bool ring(Bits bits) noexcept {
    if ((word_.fetch_or(bits, std::memory_order_seq_cst) & kSleeping) == 0) return false;
    (void)::syscall(SYS_futex, futex_word(), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    return true;
  }

  /// Bits rung since the last look, without waiting. The waiting thread only.
  Bits take() noexcept { return word_.exchange(0, std::memory_order_seq_cst) & ~kSleeping; }

  /// Watches the bell without giving up the core, for `span` by `clock`; 0 when nothing rang. The waiting
  /// thread only.
  Bits spin(const Clock& clock, Duration span) noexcept {
    // Reading the clock costs about 30 ns here, a pause 10 to 40 ns: look at the bell far more often than at
    // the clock.
    constexpr int kLooksPerClockRead = 32;
    if (span <= Duration::zero()) return take();
    const Instant end = clock.now() + span;
    do {
      for (int i = 0; i < kLooksPerClockRead; ++i) {
        if (word_.load(std::memory_order_relaxed) != 0) return take();
        spin_pause();
      }
    } while (clock.now() < end);
    return take();
  }

  /// Sleeps until rung, or until CLOCK_MONOTONIC reads `until_ns`; 0 when nothing rang. The waiting thread
  /// only.
  Bits wait(std::optional<std::int64_t> until_ns = std::nullopt) noexcept {
    Bits expected = 0;
    if (!word_.compare_exchange_strong(expected, kSleeping, std::memory_order_seq_cst)) return take();
    if (until_ns) {
      const timespec until{static_cast<std::time_t>(*until_ns / kNsPerSecond),
                           static_cast<long>(*until_ns % kNsPerSecond)};
      sleep(*until_ns > 0 ? &until : &kPast);
    } else {
      sleep(nullptr);
    }
    return take();
  }

 private:
  static constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  static constexpr timespec kPast{0, 0};
  static_assert(sizeof(std::atomic<Bits>) == sizeof(Bits));

  Bits* futex_word() noexcept { return reinterpret_cast<Bits*>(&word_); }
  void sleep(const timespec* until) noexcept {
    // The bitset form takes an absolute CLOCK_MONOTONIC time, so no clock needs to be read first. Spurious
    // returns are harmless: every waiter looks again.
    (void)::syscall(SYS_futex, futex_word(), FUTEX_WAIT_BITSET_PRIVATE, kSleeping, until, nullptr,
                    FUTEX_BITSET_MATCH_ANY);
  }

  std::atomic<Bits> word_{0};
};

}  // namespace laxity
