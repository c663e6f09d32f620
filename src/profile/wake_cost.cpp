#include "profile/wake_cost.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "profile/profile_clock.h"

namespace laxity {
namespace {

constexpr int kAsleepMs = 1;

void settle_on(std::optional<int> core) {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  if (!core) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(*core), &set);
  sched_setaffinity(0, sizeof set, &set);  // best effort: a core we may not use leaves the thread anywhere
}

/// Closes a file descriptor at the end of its scope.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

}  // namespace

Percentiles percentiles(std::vector<Duration> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&values](std::size_t percent) {
    return values[std::min(values.size() - 1, values.size() * percent / 100)];
  };
  return {at(50), at(99), values.back()};
}

void sample_wake(std::optional<int> from, std::optional<int> to, std::size_t samples,
                 std::vector<Duration>& wakes) {
  // `heard` answers each ring: a bell rung twice before it is heard would count as one.
  const Descriptor bell(eventfd(0, EFD_CLOEXEC)), heard(eventfd(0, EFD_CLOEXEC));
  if (bell.fd < 0 || heard.fd < 0) return;
  std::atomic<std::int64_t> posted_ns{0};
  wakes.reserve(wakes.size() + samples);
  const auto ring = [](const Descriptor& target) {
    const std::uint64_t one = 1;
    return write(target.fd, &one, sizeof one) == sizeof one;
  };
  const auto wait_for = [](const Descriptor& source) {
    std::uint64_t count = 0;
    return read(source.fd, &count, sizeof count) == sizeof count;
  };
  std::thread sleeper([&] {
    settle_on(to);
    for (std::size_t i = 0; i < samples && wait_for(bell); ++i) {
      wakes.push_back(profile_clock_now().since_start() -
                      Duration(posted_ns.load(std::memory_order_acquire)));
      if (!ring(heard)) return;
    }
  });
  std::thread poster([&] {
    settle_on(from);
    for (std::size_t i = 0; i < samples; ++i) {
      poll(nullptr, 0, kAsleepMs);
      posted_ns.store(profile_clock_now().since_start().count(), std::memory_order_release);
      if (!ring(bell) || !wait_for(heard)) return;
    }
  });
  poster.join();
  sleeper.join();
}

Percentiles measure_wake(std::optional<int> from, std::optional<int> to, std::size_t samples) {
  std::vector<Duration> wakes;
  sample_wake(from, to, samples, wakes);
  return percentiles(std::move(wakes));
}

Percentiles measure_send(std::size_t size, std::size_t samples) {
  const Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener.fd < 0 || bind(listener.fd, generic, length) != 0 || listen(listener.fd, 1) != 0 ||
      getsockname(listener.fd, generic, &length) != 0) {
    return {};
  }
  const Descriptor sender(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (sender.fd < 0 || connect(sender.fd, generic, length) != 0) return {};
  const Descriptor receiver(accept(listener.fd, nullptr, nullptr));
  if (receiver.fd < 0) return {};
  const int on = 1;
  setsockopt(sender.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::vector<char> bytes(size, 'x');
  std::vector<Duration> sends;
  for (std::size_t i = 0; i < samples; ++i) {
    const Instant start = profile_clock_now();
    if (send(sender.fd, bytes.data(), size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) break;
    sends.push_back(profile_clock_now() - start);
    if (recv(receiver.fd, bytes.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) break;
  }
  return percentiles(std::move(sends));
}

}  // namespace laxity
