// DeepRT without its admission: batching in time windows, and EDF of batches by window deadline. [Yang,
// Nahrstedt, Guo & Zhou, SEC 2021]; policy/batch_windows.h has the windows and Theorem 1.
//
// At a joint all frames of the window become one batch with deadline joint + W, split at the cap. Batches run
// one at a time per executor, earliest deadline first; ties by release, then in order of forming. Where we go
// beyond the paper, or choose for it:
//   - Early batching (the paper's line 8: an idle executor takes an open window's frames before the joint)
//     can block a batch that a joint releases meanwhile. By default it is gated: only if the early batch is
//     done by the next joint of any category with a deadline. `early_batching = 2` is as published, 0 never.
//   - Staged models: frames of stage 0 form the batch; it then visits its other stages back to back, before
//     any batch that has not begun, and keeps its window deadline. All stages run: depth is not this policy's
//     subject.
//   - Best-effort frames have queues of their own with one large window (`best_effort_window_us`), so that
//     their deadlines are late, and small batches (`best_effort_batch_size_max`), so that little is blocked
//     by them. The paper bounds their batches by an imposed arrival period; a bound on the size says the same
//     with one number.
//   - A frame's relative deadline counts from the moment it enters its window: decoding beforehand uses some
//     up.
// Every frame runs, late ones are answered late, as in the paper. Where the guarantee ends: nothing here
// tests that every batch can meet its window deadline; that is admission, and it comes with streams.
#include <algorithm>

#include "policy/batch_windows.h"
#include "policy/builtin.h"
#include "policy/job_heaps.h"
#include "policy/job_queue.h"

namespace laxity {
namespace {

enum class EarlyBatching : std::uint8_t { kNever, kGated, kAlways };

struct FrameKey {
  std::uint32_t priority = 0;  // among best-effort frames only
  Instant release;
  JobId id{};
  auto operator<=>(const FrameKey&) const = default;
};

struct JointKey {
  Instant joint;
  std::uint32_t lane = 0;
  auto operator<=>(const JointKey&) const = default;
};

struct BatchKey {
  bool has_not_begun = true;  // a batch between two stages comes first: it is not preempted
  Instant deadline;
  Instant release;
  std::uint64_t sequence = 0;
  auto operator<=>(const BatchKey&) const = default;
};

/// One decision: O(b log n), plus O(c) when an early batch is considered: batch b, n waiting jobs, c
/// categories. A joint costs O(n log n) in the frames that it batches.
class DeepRt final : public Policy {
 public:
  DeepRt(EarlyBatching early, Duration best_effort_window, std::size_t best_effort_batch_size_max)
      : early_(early),
        best_effort_window_(best_effort_window),
        best_effort_batch_size_max_(best_effort_batch_size_max) {}

  std::string_view name() const noexcept override { return "deeprt"; }
  PolicyTraits traits() const noexcept override { return {false, false, true}; }

  void attach(const Books& books) override {
    books_ = &books;
    // Lanes: two per category, for frames with and without a deadline. Only those of first stages are used.
    const std::size_t lane_count = 2 * books.system().catalog.categories.size();
    windows_.resize(lane_count);
    frames_ = JobHeaps<FrameKey>(books.capacity(), lane_count);
    joints_ = JobQueue<JointKey>(lane_count);
    members_.resize(books.capacity());
    batches_.resize(books.capacity());  // each has a job at least
    queue_ = JobQueue<BatchKey>(books.capacity());
    free_batches_.reserve(books.capacity());
    for (std::size_t i = books.capacity(); i-- > 0;) free_batches_.push_back(static_cast<std::uint32_t>(i));
  }

  void job_ready(JobIndex job, Instant now) override {
    const JobEntry& entry = books_->entry(job);
    Member& member = members_[job];
    if (member.begun == entry.job.id) {
      rejoin(job);
      return;
    }
    const std::size_t lane = lane_of(entry);
    close_joints(lane, now, false);
    windows_[lane].frame_arrived(now, entry.job.kind == JobKind::kBestEffort
                                          ? 2 * best_effort_window_
                                          : *entry.job.absolute_deadline - now);
    frames_.push(
        job,
        {entry.job.kind == JobKind::kBestEffort ? entry.job.priority : 0, entry.job.release, entry.job.id},
        lane);
    renew_joint(lane);
  }

  void job_gone(JobIndex job, Instant) override {
    if (frames_.contains(job)) {
      const std::size_t lane = frames_.heap_of(job);
      frames_.erase(job);
      renew_joint(lane);
    } else {
      unlink(job);
    }
  }

  // All jobs that come back from the executor before the next such call belong to one batch.
  void batch_finished(CategoryId, ExecutorId, BatchStatus, Duration, Instant) override {
    returning_ = kNoIndex;
  }

  Decision review(Instant now, bool timer_fired) override {
    Decision decision;
    while (!joints_.empty()) {
      const JointKey next = joints_.top_key();
      if (next.joint > now || (next.joint == now && !timer_fired)) {
        decision.wait_until = next.joint;
        break;
      }
      close_joints(next.lane, now, timer_fired);
    }
    return decision;
  }

  Decision decide(ExecutorId, Instant now) override {
    Decision decision;
    if (!queue_.empty()) {
      start_queued(decision);
    } else if (early_ != EarlyBatching::kNever && !joints_.empty()) {
      start_early(decision, now);
    }
    return decision;
  }

 private:
  struct Member {
    JobId begun{};  // the job whose batch has been started; its key is then `key`
    BatchKey key;
    std::uint32_t batch = kNoIndex;
    JobIndex next = kNoIndex;
    JobIndex previous = kNoIndex;
  };
  struct WindowBatch {
    JobIndex first = kNoIndex;
    JobIndex last = kNoIndex;
    std::size_t size = 0;
    BatchKey key;
  };

  static bool is_best_effort(std::size_t lane) { return lane % 2 == 1; }
  std::size_t lane_of(const JobEntry& entry) const {
    return 2 * index(books_->next_category(entry)) + (entry.job.kind == JobKind::kBestEffort ? 1 : 0);
  }
  const Variant& variant_of(std::size_t lane) const {
    const Catalog& catalog = books_->system().catalog;
    const Category& category = catalog.categories[lane / 2];
    return catalog.models[index(category.model)].variants[category.variant];
  }

  // A batch goes through all stages as it is, so the least of their caps binds.
  std::size_t cap_of(std::size_t lane) const {
    std::size_t cap = is_best_effort(lane) ? best_effort_batch_size_max_ : kBatchSizeMax;
    for (const CategoryId stage : variant_of(lane).stages) {
      cap = std::min<std::size_t>(cap, books_->system().batch_size_max(stage));
    }
    return cap;
  }

  // Keeps the queue of joints to lanes that have frames: others have nothing to do at theirs, and catch up
  // later.
  void renew_joint(std::size_t lane) {
    const auto slot = static_cast<std::uint32_t>(lane);
    if (joints_.contains(slot)) {
      if (!frames_.empty(lane) && joints_.key(slot).joint == *windows_[lane].joint()) return;
      joints_.erase(slot);
    }
    if (!frames_.empty(lane)) joints_.push(slot, {*windows_[lane].joint(), slot});
  }

  // Closes the lane's windows that ended before `now`, or at it when `inclusive`.
  void close_joints(std::size_t lane, Instant now, bool inclusive) {
    BatchWindows& windows = windows_[lane];
    while (windows.joint() && (*windows.joint() < now || (inclusive && *windows.joint() == now))) {
      const std::size_t cap = cap_of(lane);
      while (!frames_.empty(lane)) {
        const BatchKey key{true, windows.batch_deadline(), *windows.joint(), ++sequence_};
        const std::uint32_t batch = open_batch(key);
        while (!frames_.empty(lane) && batches_[batch].size < cap) link(frames_.pop(lane), batch);
      }
      windows.close();
    }
    renew_joint(lane);
  }

  std::uint32_t open_batch(const BatchKey& key) {
    LAXITY_CHECK(!free_batches_.empty());
    const std::uint32_t batch = free_batches_.back();
    free_batches_.pop_back();
    batches_[batch] = {kNoIndex, kNoIndex, 0, key};
    queue_.push(batch, key);
    return batch;
  }
  void link(JobIndex job, std::uint32_t batch) {
    WindowBatch& target = batches_[batch];
    members_[job].batch = batch;
    members_[job].next = kNoIndex;
    members_[job].previous = target.last;
    (target.last == kNoIndex ? target.first : members_[target.last].next) = job;
    target.last = job;
    ++target.size;
  }
  void unlink(JobIndex job) {
    Member& member = members_[job];
    WindowBatch& batch = batches_[member.batch];
    (member.previous == kNoIndex ? batch.first : members_[member.previous].next) = member.next;
    (member.next == kNoIndex ? batch.last : members_[member.next].previous) = member.previous;
    if (--batch.size == 0) {
      queue_.erase(member.batch);
      free_batches_.push_back(member.batch);
      if (returning_ == member.batch) returning_ = kNoIndex;
    }
    member.batch = kNoIndex;
  }

  // A job that comes back, for its next stage or because its executor was lost, goes on in its batch's
  // company.
  void rejoin(JobIndex job) {
    if (returning_ == kNoIndex) {
      BatchKey key = members_[job].key;
      key.has_not_begun = false;
      returning_ = open_batch(key);
    }
    link(job, returning_);
  }

  void begin(Decision& decision, JobIndex job, const BatchKey& key) {
    members_[job].begun = books_->entry(job).job.id;
    members_[job].key = key;
    decision.jobs.push_back(job);
  }

  void start_queued(Decision& decision) {
    decision.kind = Decision::Kind::kStart;
    const std::uint32_t batch = queue_.top();
    const BatchKey key = batches_[batch].key;
    // Less than the batch only if a new table has a lower cap than the one it was formed with.
    const CategoryId category = books_->next_category(books_->entry(batches_[batch].first));
    const std::size_t size =
        std::min<std::size_t>(batches_[batch].size, books_->system().batch_size_max(category));
    while (decision.jobs.size() < size) {
      const JobIndex job = batches_[batch].first;
      unlink(job);
      begin(decision, job, key);
    }
  }

  void start_early(Decision& decision, Instant now) {
    std::size_t chosen = windows_.size();
    for (std::size_t lane = 0; lane < windows_.size(); ++lane) {
      if (frames_.empty(lane)) continue;
      if (chosen == windows_.size() || windows_[lane].batch_deadline() < windows_[chosen].batch_deadline())
        chosen = lane;
    }
    const std::size_t size = std::min(cap_of(chosen), frames_.size(chosen));
    if (early_ == EarlyBatching::kGated && now + planned(chosen, size) > next_joint(now)) return;
    decision.kind = Decision::Kind::kStart;
    const BatchKey key{true, windows_[chosen].batch_deadline(), now, ++sequence_};
    while (decision.jobs.size() < size) begin(decision, frames_.pop(chosen), key);
    renew_joint(chosen);
  }

  Duration planned(std::size_t lane, std::size_t size) const {
    Duration total{};
    bool is_first = true;
    for (const CategoryId stage : variant_of(lane).stages) {
      // As if every frame had to be decoded: the gate errs towards waiting.
      const auto count = static_cast<std::uint32_t>(size);
      total += books_->system().planned(stage, count,
                                        is_first && books_->system().preprocesses_inline() ? count : 0);
      is_first = false;
    }
    return total;
  }

  // The next instant at which some category with deadlines may release a batch.
  Instant next_joint(Instant now) {
    Instant next = Instant::latest();
    for (std::size_t lane = 0; lane < windows_.size(); lane += 2) {
      close_joints(lane, now, false);
      if (windows_[lane].joint()) next = std::min(next, *windows_[lane].joint());
    }
    return next;
  }

  const EarlyBatching early_;
  const Duration best_effort_window_;
  const std::size_t best_effort_batch_size_max_;
  const Books* books_ = nullptr;
  std::vector<BatchWindows> windows_;  // per lane
  JobHeaps<FrameKey> frames_;          // per lane: the open window's
  JobQueue<JointKey> joints_;          // slots are lanes
  JobQueue<BatchKey> queue_;           // slots are batches: closed windows that wait for an executor
  std::vector<WindowBatch> batches_;
  std::vector<std::uint32_t> free_batches_;
  std::vector<Member> members_;  // per job slot
  std::uint32_t returning_ = kNoIndex;
  std::uint64_t sequence_ = 0;
};

constexpr PolicyOption kOptions[] = {
    {"early_batching", 1, 0, 2,
     "idle executor takes an open window's frames: 0 never, 1 if no joint waits, 2 always"},
    {"best_effort_window_us", 1'000'000, 1, 3'600'000'000, "window of frames without a deadline"},
    {"best_effort_batch_size_max", 1, 1, static_cast<std::int64_t>(kBatchSizeMax),
     "largest batch of frames without a deadline: what a frame with one may be blocked by"},
};

}  // namespace

BuiltinPolicy deeprt_policy() {
  return {
      {"deeprt",
       "batching in time windows of half the tightest deadline, then EDF of batches; when every batch meets "
       "its "
       "window deadline no frame is late. Without admission nothing says that they do",
       "Yang, Nahrstedt, Guo & Zhou, SEC 2021", "O(b log n + c): batch b, n waiting, c categories", kOptions},
      [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
        return std::make_unique<DeepRt>(
            static_cast<EarlyBatching>(option(options, "early_batching")),
            std::chrono::microseconds(option(options, "best_effort_window_us")),
            static_cast<std::size_t>(option(options, "best_effort_batch_size_max")));
      }};
}

}  // namespace laxity
