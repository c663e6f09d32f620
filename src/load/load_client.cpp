#include "load/load_client.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <queue>

#include "base/check.h"
#include "load/http_connection.h"
#include "load/load_clock.h"

namespace laxity {
namespace {

constexpr std::size_t kEventsMax = 256;           // handled between two looks at the clock
constexpr std::size_t kConnectionsPerStream = 4;  // deadlines may be longer than periods
constexpr Duration kConnectPatience = 5s;         // for the first connection
constexpr Duration kReconnectDelay = 10ms;        // a server that refuses is not hammered
constexpr Duration kRefusalPause = 10ms;          // of a closed-loop client

/// Restores the thread's timer slack and placement when the run is over.
class ThreadSettings {
 public:
  explicit ThreadSettings(std::optional<int> core) {
    slack_ = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, 1UL);
    if (!core) return;
    is_pinned_ = sched_getaffinity(0, sizeof cores_, &cores_) == 0;
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    CPU_SET(static_cast<std::size_t>(*core), &wanted);
    sched_setaffinity(0, sizeof wanted, &wanted);
  }
  ~ThreadSettings() {
    if (slack_ > 0) prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack_));
    if (is_pinned_) sched_setaffinity(0, sizeof cores_, &cores_);
  }
  ThreadSettings(const ThreadSettings&) = delete;
  ThreadSettings& operator=(const ThreadSettings&) = delete;

 private:
  int slack_ = 0;
  bool is_pinned_ = false;
  cpu_set_t cores_{};
};

void raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// What is known of a job between its time and its answer.
struct Pending {
  const PreparedRequest* request = nullptr;
  std::optional<Instant> deadline;
  JobKind kind = JobKind::kFirm;
  std::optional<std::uint32_t> client;
  bool is_settled = false;
  std::optional<StreamFrame> frame;
  bool is_sent = false;
};

/// Streams and all other jobs wait for connections apart: a camera has one of its own, which no flood of
/// other requests keeps busy.
struct Lane {
  std::deque<std::size_t> waiting;  // jobs without a connection
  std::size_t out = 0;
  std::size_t out_max = 0;
};

struct Link {
  HttpConnection connection;
  std::size_t place = 0;           // index into links_
  std::optional<std::size_t> job;  // index into records
};

struct LaterFirst {
  bool operator()(const LoadJob& a, const LoadJob& b) const {
    return a.at != b.at ? a.at > b.at : a.client > b.client;
  }
};

class Player {
 public:
  Player(const LoadPlan& plan, const Endpoint& endpoint, const LoadOptions& options)
      : plan_(plan), endpoint_(endpoint), options_(options) {
    const std::size_t kept =
        std::min(kConnectionsPerStream * plan.streams.size(), options.connections_max / 2);
    stream_lane_.out_max = options.connections_max;
    other_lane_.out_max = std::max<std::size_t>(options.connections_max - kept, 1);
  }
  ~Player() {
    links_.clear();
    if (epoll_ >= 0) ::close(epoll_);
  }
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  Result<LoadRun> run();

 private:
  Status connect_first();
  bool open_link();
  void keep_spares();
  void begin_due(Instant now);
  void begin(const LoadJob& planned, Instant now);
  void hang_up_due(Instant now);
  void send(Link& link, std::size_t job, Instant now);
  void serve_waiting(Lane& lane, Instant now);
  Lane& lane_of(std::size_t job) { return pending_[job].frame ? stream_lane_ : other_lane_; }
  void wait(Instant until);
  void after(Link& link);
  void take_answer(const HttpReader& reader, std::size_t job);
  void note_error(std::string words);
  void settle(std::size_t job, Outcome outcome, Reason reason, std::optional<Instant> finish);
  void lose(Link& link);
  void give_up();
  Instant next_wake() const;
  Link& take_spare();
  bool can_open() const { return !closed_.empty() || links_.size() < options_.connections_max; }
  bool has_more_to_send() const;

  const LoadPlan& plan_;
  const Endpoint& endpoint_;
  const LoadOptions& options_;
  LoadClock clock_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Link>> links_;  // each descriptor's event carries its place here
  std::vector<std::size_t> spares_;           // the one used last is the warmest
  std::vector<std::size_t> closed_;           // places whose connection may be opened again
  Lane stream_lane_, other_lane_;
  std::priority_queue<LoadJob, std::vector<LoadJob>, LaterFirst> closed_loop_;
  std::vector<Pending> pending_;
  std::size_t next_open_ = 0;
  std::size_t next_hang_up_ = 0;
  std::size_t unsettled_ = 0;
  Instant last_due_;  // latest deadline or send time so far
  Instant reconnect_at_;
  LoadRun result_;
};

Result<LoadRun> Player::run() {
  const ThreadSettings settings(options_.core);
  raise_descriptor_limit(options_.connections_max + 64);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) {
    return Error{ErrorCode::kResourceExhausted, std::string("epoll_create1: ") + std::strerror(errno)};
  }
  if (Status status = connect_first(); !status) return status.error();
  result_.jobs.reserve(plan_.open_jobs.size());
  pending_.reserve(plan_.open_jobs.size());
  for (const LoadJob& job : plan_.first_jobs) closed_loop_.push(job);
  if (plan_.clock) {
    clock_ = *plan_.clock;
  } else {
    clock_.restart(options_.lead);
  }

  while (has_more_to_send() || unsettled_ > 0) {
    const Instant now = clock_.now();
    begin_due(now);
    hang_up_due(now);
    serve_waiting(stream_lane_, now);
    serve_waiting(other_lane_, now);
    if (!has_more_to_send()) {
      if (unsettled_ == 0) break;
      if (now >= last_due_ + options_.grace) break;
    }
    keep_spares();
    wait(next_wake());
  }
  result_.elapsed = clock_.now().since_start();
  give_up();
  return std::move(result_);
}

bool Player::has_more_to_send() const { return next_open_ < plan_.open_jobs.size() || !closed_loop_.empty(); }

Instant Player::next_wake() const {
  Instant wake = Instant::latest();
  if (next_open_ < plan_.open_jobs.size()) wake = std::min(wake, plan_.open_jobs[next_open_].at);
  if (!closed_loop_.empty()) wake = std::min(wake, closed_loop_.top().at);
  if (next_hang_up_ < plan_.hang_ups.size()) wake = std::min(wake, plan_.hang_ups[next_hang_up_].at);
  if (!has_more_to_send()) wake = std::min(wake, last_due_ + options_.grace);
  for (const Lane* lane : {&stream_lane_, &other_lane_}) {
    if (lane->waiting.empty()) continue;
    const Pending& first = pending_[lane->waiting.front()];
    if (first.kind == JobKind::kFirm && first.deadline) wake = std::min(wake, *first.deadline);
    if (can_open() && lane->out < lane->out_max) wake = std::min(wake, reconnect_at_);
  }
  return wake;
}

Status Player::connect_first() {
  LAXITY_CHECK(options_.connections_max > 0);
  const std::size_t wanted = std::max<std::size_t>(options_.connections_spare + plan_.first_jobs.size(), 1);
  for (std::size_t i = 0; i < std::min(options_.connections_max, wanted); ++i) open_link();
  // Wait for the first of them: a server that is not there should be an error, not a run full of failures.
  clock_.restart(Duration{0});
  while (clock_.now().since_start() < kConnectPatience && closed_.size() < links_.size()) {
    for (const auto& link : links_) {
      if (link->connection.state() == HttpConnection::State::kIdle) return Unit{};
    }
    wait(clock_.now() + 100ms);
  }
  const std::string& found = result_.stats.first_error;
  return Error{ErrorCode::kUnavailable, "expected a server at http://" + endpoint_.authority + ", found: " +
                                            (found.empty() ? "no answer to a connection" : found)};
}

/// False when no connection may or can be opened now.
bool Player::open_link() {
  if (closed_.empty()) {
    if (links_.size() >= options_.connections_max) return false;
    links_.push_back(std::make_unique<Link>());
    links_.back()->place = links_.size() - 1;
    closed_.push_back(links_.back()->place);
  }
  Link& link = *links_[closed_.back()];
  const Status status = link.connection.open(endpoint_);
  // On loopback the handshake is usually over, or refused, already.
  if (!status || link.connection.on_ready() == HttpConnection::State::kClosed) {
    if (result_.stats.first_error.empty()) {
      result_.stats.first_error = status ? link.connection.problem() : status.error().message;
    }
    reconnect_at_ = clock_.now() + kReconnectDelay;
    return false;
  }
  closed_.pop_back();
  ++result_.stats.connections_opened;
  epoll_event event{};
  // Edge-triggered and never changed: no further system call per request.
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = link.place;
  LAXITY_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, link.connection.descriptor(), &event) == 0);
  // In front, where it is taken last: by then it is connected.
  spares_.insert(spares_.begin(), link.place);
  return true;
}

Link& Player::take_spare() {
  Link& link = *links_[spares_.back()];
  spares_.pop_back();
  return link;
}

void Player::keep_spares() {
  if (spares_.size() < options_.connections_spare && has_more_to_send() && clock_.now() >= reconnect_at_) {
    open_link();
  }
}

void Player::begin_due(Instant now) {
  while (next_open_ < plan_.open_jobs.size() && plan_.open_jobs[next_open_].at <= now) {
    begin(plan_.open_jobs[next_open_++], now);
    now = clock_.now();
  }
  while (!closed_loop_.empty() && closed_loop_.top().at <= now) {
    const LoadJob job = closed_loop_.top();
    closed_loop_.pop();
    begin(job, now);
    now = clock_.now();
  }
}

void Player::hang_up_due(Instant now) {
  while (next_hang_up_ < plan_.hang_ups.size() && plan_.hang_ups[next_hang_up_].at <= now) {
    std::vector<Link*> out;
    for (const auto& link : links_) {
      if (link->job) out.push_back(link.get());
    }
    std::sort(out.begin(), out.end(), [](const Link* a, const Link* b) { return *a->job < *b->job; });
    out.resize(std::min<std::size_t>(out.size(), plan_.hang_ups[next_hang_up_++].jobs));
    for (Link* link : out) {
      link->connection.close();
      closed_.push_back(link->place);
      const std::size_t job = *link->job;
      link->job.reset();
      settle(job, Outcome::kCancelled, Reason::kClientGone, std::nullopt);
    }
  }
}

void Player::begin(const LoadJob& planned, Instant now) {
  const std::size_t job = result_.jobs.size();
  const PreparedRequest& request = plan_.requests.at(planned.request);
  Pending pending{&request, std::nullopt, planned.kind, planned.client, false, planned.frame};
  if (planned.relative_deadline) pending.deadline = planned.at + *planned.relative_deadline;
  JobRecord record;
  record.task = planned.task;
  record.intended = planned.at;
  if (request.label) record.is_right = false;  // until the right class has come
  result_.jobs.push_back(record);
  pending_.push_back(pending);
  ++unsettled_;
  last_due_ = std::max(last_due_, pending.deadline.value_or(planned.at));
  Lane& lane = lane_of(job);
  if (lane.waiting.empty() && lane.out < lane.out_max &&
      (!spares_.empty() || (now >= reconnect_at_ && open_link()))) {
    send(take_spare(), job, now);
  } else {
    lane.waiting.push_back(job);
  }
}

void Player::send(Link& link, std::size_t job, Instant now) {
  Pending& pending = pending_[job];
  JobRecord& record = result_.jobs[job];
  link.job = job;
  pending.is_sent = true;
  ++lane_of(job).out;
  link.connection.head() = pending.request->head;
  if (pending.deadline && pending.request->deadline_at) {
    write_deadline(link.connection.head(), *pending.request->deadline_at, *pending.deadline - now);
  }
  if (pending.frame) {
    const StreamFrame& frame = *pending.frame;
    write_frame(link.connection.head(), *pending.request->frame_at, plan_.streams.at(frame.stream),
                frame.number);
    const bool is_in_time = frame.promised_if_sent_by && now <= *frame.promised_if_sent_by;
    record.is_promised = is_in_time;
    if (frame.promised_if_sent_by && !is_in_time) ++result_.stats.sent_too_late;
  }
  record.send_lag = now - record.intended;
  link.connection.send(pending.request->body);
  after(link);
}

void Player::serve_waiting(Lane& lane, Instant now) {
  while (!lane.waiting.empty()) {
    const std::size_t job = lane.waiting.front();
    const Pending& pending = pending_[job];
    if (pending.kind == JobKind::kFirm && pending.deadline && *pending.deadline < now) {
      lane.waiting.pop_front();
      ++result_.stats.unsent;
      settle(job, Outcome::kDropped, Reason::kOverloaded, std::nullopt);
      continue;
    }
    if (lane.out >= lane.out_max) return;
    if (spares_.empty() && (now < reconnect_at_ || !open_link())) return;
    lane.waiting.pop_front();
    send(take_spare(), job, now);
  }
}

void Player::wait(Instant until) {
  std::array<epoll_event, kEventsMax> events;
  for (;;) {
    const Duration left = until - clock_.now();
    const Duration sleep = std::max(left - options_.spin_max, Duration{0});
    timespec time{};
    time.tv_sec = static_cast<time_t>(sleep / 1s);
    time.tv_nsec = static_cast<long>((sleep % 1s).count());
    int count = ::epoll_pwait2(epoll_, events.data(), kEventsMax, &time, nullptr);
    if (count < 0 && errno == ENOSYS) {  // kernels before 5.11: coarser, and seen in the send lag
      count = ::epoll_wait(epoll_, events.data(), kEventsMax,
                           static_cast<int>(std::min<Duration>(sleep, 1s) / 1ms));
    }
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      Link& link = *links_[event.data.u64];
      if (link.connection.state() == HttpConnection::State::kClosed) continue;
      link.connection.on_ready((event.events & (EPOLLRDHUP | EPOLLHUP)) != 0);
      after(link);
    }
    if (count > 0 || left <= Duration{0} || left > options_.spin_max) return;
  }
}

/// Draws the conclusions from the state that a connection has come to.
void Player::after(Link& link) {
  using State = HttpConnection::State;
  if (link.connection.state() == State::kAnswered) {
    LAXITY_CHECK(link.job.has_value());
    const std::size_t job = *link.job;
    link.job.reset();
    take_answer(link.connection.answer(), job);
    if (link.connection.release() == State::kIdle) {
      spares_.push_back(link.place);
      return;
    }
    closed_.push_back(link.place);
    return;
  }
  if (link.connection.state() == State::kClosed) lose(link);
}

void Player::lose(Link& link) {
  closed_.push_back(link.place);
  if (!link.job) {  // idle: the server may close what it likes
    spares_.erase(std::remove(spares_.begin(), spares_.end(), link.place), spares_.end());
    return;
  }
  ++result_.stats.connections_lost;
  note_error("a connection was lost before its answer: " + link.connection.problem());
  settle(*link.job, Outcome::kFailed, Reason::kNone, std::nullopt);
  link.job.reset();
}

void Player::take_answer(const HttpReader& reader, std::size_t job) {
  const Instant now = clock_.now();
  const int status = reader.status();
  const InferAnswer answer = read_infer_answer(status, reader.json(), reader.binary());
  JobRecord& record = result_.jobs[job];
  record.exit_count = answer.exit_count;
  record.batch_size = answer.batch_size;
  if (answer.outcome) record.server_on_time = *answer.outcome == Outcome::kOnTime;
  if (status == 200 && answer.is_readable) {
    const PreparedRequest& request = *pending_[job].request;
    if (request.label) record.is_right = answer.answered_class == request.label;
    const std::optional<Instant>& deadline = pending_[job].deadline;
    settle(job, !deadline || now <= *deadline ? Outcome::kOnTime : Outcome::kLate, Reason::kNone, now);
    return;
  }
  const auto reason_or = [&answer](Reason other) {
    return answer.reason == Reason::kNone ? other : answer.reason;
  };
  if (status == 504) {
    record.server_on_time = false;
    settle(job, Outcome::kDropped, reason_or(Reason::kRanPastDeadline), std::nullopt);
  } else if (status == 503 || status == 429) {
    settle(job, Outcome::kRejected, reason_or(Reason::kOverloaded), std::nullopt);
  } else if (status == 499) {
    settle(job, Outcome::kCancelled, reason_or(Reason::kClientGone), std::nullopt);
  } else {
    if (status == 200) ++result_.stats.unreadable;
    note_error(status == 200 ? "a 200 that is no inference answer"
                             : "HTTP " + std::to_string(status) + ": " + answer.error);
    settle(job, Outcome::kFailed, status >= 500 ? reason_or(Reason::kEngineFailed) : answer.reason,
           std::nullopt);
  }
}

void Player::note_error(std::string words) {
  if (result_.stats.first_error.empty()) result_.stats.first_error = std::move(words);
}

void Player::settle(std::size_t job, Outcome outcome, Reason reason, std::optional<Instant> finish) {
  Pending& pending = pending_[job];
  LAXITY_CHECK(!pending.is_settled);
  pending.is_settled = true;
  if (pending.is_sent) --lane_of(job).out;
  --unsettled_;
  JobRecord& record = result_.jobs[job];
  record.outcome = outcome;
  record.reason = reason;
  if (finish) {
    record.response_time = *finish - record.intended;
    if (pending.deadline) record.lateness = *finish - *pending.deadline;
  }
  if (!pending.client) return;
  // A refusal comes back at once; without a pause the client would ask for nothing else.
  const Duration pause =
      outcome == Outcome::kOnTime || outcome == Outcome::kLate ? Duration{0} : kRefusalPause;
  if (std::optional<LoadJob> next = plan_.next_job(*pending.client, clock_.now() + pause))
    closed_loop_.push(*next);
}

void Player::give_up() {
  for (const Lane* lane : {&stream_lane_, &other_lane_}) {
    for (const std::size_t job : lane->waiting) {
      ++result_.stats.unsent;
      settle(job, Outcome::kDropped, Reason::kOverloaded, std::nullopt);
    }
  }
  for (std::size_t job = 0; job < pending_.size(); ++job) {
    if (pending_[job].is_settled) continue;
    ++result_.stats.unanswered;
    const bool has_deadline = pending_[job].deadline.has_value();
    settle(job, has_deadline ? Outcome::kLate : Outcome::kFailed,
           has_deadline ? Reason::kRanPastDeadline : Reason::kNone, std::nullopt);
  }
}

}  // namespace

Result<LoadRun> play(const LoadPlan& plan, const Endpoint& endpoint, const LoadOptions& options) {
  return Player(plan, endpoint, options).run();
}

}  // namespace laxity
