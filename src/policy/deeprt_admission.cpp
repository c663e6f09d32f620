// The policy `deeprt`: streams that ask, what becomes of their verdicts, and streams that leave.
#include <algorithm>

#include "policy/deeprt_policy.h"

namespace laxity {
namespace {

constexpr std::size_t kPendingMax = 64;  // admissions that may wait
constexpr int kTriesMax = 4;             // a verdict that comes too late each time is a refusal
constexpr Duration kRetestPeriod = 1s;   // after a test that was lost or failed
constexpr std::uint32_t kNobody = ~0u;   // a stream of frames that are nobody's contract
constexpr Duration kLongest{1LL << 55};  // a year; contracts beyond it are tested as if they ended there

}  // namespace

// Moves to the first frame that has not come and may still come, at `earliest` or later.
void DeepRtPolicy::advance(WindowStream& window, const StreamEntry& entry, Instant earliest) const {
  window.next = std::max(window.next, entry.next_frame);
  const Instant lost = window.arrival(window.next) + std::min(entry.task.release_jitter_max, kLongest);
  if (lost < earliest) {
    window.next += static_cast<std::uint64_t>((earliest - lost - Duration(1)) / window.period) + 1;
  }
}

DeepRtWorkshop::Candidate DeepRtPolicy::candidate_of(const Stream& stream, const Task& task, Instant now,
                                                     Instant earliest) const {
  const SystemModel& system = books_->system();
  DeepRtWorkshop::Candidate candidate;
  WindowStream& window = candidate.stream;
  Duration decoding{};
  if (system.catalog.model(task.model).has_preprocess && !system.preprocesses_inline()) {
    decoding = system.table.segment(task.model, SegmentKind::kPreprocess).p99;
  }
  const Variant& variant = system.catalog.model(task.model).variants[task.lowest_variant];
  window.id = static_cast<std::uint32_t>(index(stream.id));
  window.lane = lane_at(variant.stages.front(), Class::kStream);
  window.first = task.first_release.value_or(now) + decoding;
  window.period = std::min(task.min_inter_arrival, kLongest);
  window.deadline = std::min(task.relative_deadline, kLongest) - decoding - system.table.overheads.reply_p99;
  window.end = task.frame_count;
  if (window.end && *window.end > static_cast<std::uint64_t>(kLongest / window.period)) window.end.reset();
  candidate.window_id = stream.window_id;
  candidate.jitter = std::min(task.release_jitter_max, kLongest);
  // The promise begins with a frame that the client can still send after it has heard.
  window.next = books_->stream(stream.id)->next_frame;
  if (window.arrival(window.next) < earliest) {
    const Duration missing = earliest - window.arrival(window.next);
    window.next += static_cast<std::uint64_t>((missing - Duration(1)) / window.period) + 1;
  }
  return candidate;
}

std::optional<AnswerTask> DeepRtPolicy::answer_task(const Task& task, Instant now) {
  AnswerTask answer;
  answer.task = task.id;
  if (task.kind == JobKind::kBestEffort) {
    answer.admitted = true;
    return answer;
  }
  // What this test cannot give is not promised under another name.
  if (task.guarantee == Guarantee::kDemand) answer.reason = Reason::kAdmissionDemand;
  if (task.guarantee == Guarantee::kPlan || task.guarantee == Guarantee::kPlanRolling) {
    answer.reason = Reason::kAdmissionPlan;
  }
  if (!is_measured(task.model, task.lowest_variant)) answer.reason = Reason::kAdmissionPhase1;
  if (pending_.size() >= kPendingMax) answer.reason = Reason::kAdmissionBusy;
  const bool has_admission = options_.admission != DeepRtOptions::Admission::kNone;
  if (answer.reason != Reason::kNone && has_admission) return answer;

  Stream& stream = streams_[books_->stream_slot(task.id)];
  stream = Stream{};
  stream.id = task.id;
  if (!has_admission) {
    stream.state = Stream::State::kAdmitted;
    stream.window_id = ++last_window_id_;
    join(stream, candidate_of(stream, task, now, now), now);
    answer.reason = Reason::kNone;
    answer.admitted = true;
    return answer;
  }
  ask(stream);
  return std::nullopt;
}

void DeepRtPolicy::ask(Stream& stream) {
  stream.state = Stream::State::kAsked;
  stream.window_id = ++last_window_id_;
  pending_.push_back(stream.id);
}

std::optional<AnswerTask> DeepRtPolicy::later_answer(Instant) {
  if (answers_told_ == answers_.size()) {
    answers_.clear();
    answers_told_ = 0;
    return std::nullopt;
  }
  return answers_[answers_told_++];
}

void DeepRtPolicy::announce(const AnswerTask& answer) {
  LAXITY_CHECK(answers_.size() < answers_.capacity());
  answers_.push_back(answer);
}

void DeepRtPolicy::announce_loss(Stream& stream, Reason reason) {
  if (!stream.was_promised || stream.loss_is_announced) return;
  stream.loss_is_announced = true;
  stream.is_promised = false;
  AnswerTask answer;
  answer.task = stream.id;
  answer.admitted = true;
  answer.reason = reason;
  announce(answer);
}

std::optional<Instant> DeepRtPolicy::guaranteed_until(TaskId task) const {
  const Stream& stream = streams_[books_->stream_slot(task)];
  if (stream.id != task || !stream.is_promised) return std::nullopt;
  return stream.last_arrival <= tested_until_ ? Instant::latest() : tested_until_;
}

AnswerTask DeepRtPolicy::verdict(const Stream& stream) const {
  const Task& task = books_->stream(stream.id)->task;
  AnswerTask answer;
  answer.task = stream.id;
  answer.admitted = true;
  answer.guarantee = Guarantee::kNominal;
  answer.response_time_bound = task.relative_deadline;
  answer.is_provisional = !task.first_release;
  if (stream.last_arrival > tested_until_) answer.guaranteed_until = tested_until_;
  return answer;
}

// Windows reckon with the stream from now on.
void DeepRtPolicy::join(Stream& stream, const DeepRtWorkshop::Candidate& as, Instant now) {
  catch_up(as.stream.lane, now, false);
  const bool has_joined = join_since(stream, as, now, now);
  LAXITY_CHECK(has_joined);
}

bool DeepRtPolicy::join_since(Stream& stream, const DeepRtWorkshop::Candidate& as, Instant since,
                              Instant now) {
  const std::uint32_t lane = as.stream.lane;
  catch_up(lane, now, false);
  BatchWindows& windows = windows_[lane];
  const auto joint_then = since == now ? windows.joint() : work_->load.lanes[lane].windows.joint();
  const bool is_anchored = books_->stream(stream.id)->task.first_release.has_value();
  const auto last_arrival = is_anchored ? as.last_arrival() : std::nullopt;
  if (!windows.stream_added_since(since, joint_then, now, as.window_id, as.stream.deadline, last_arrival)) {
    return false;
  }
  stream.window = as.stream;
  stream.window_id = as.window_id;
  stream.last_arrival = last_arrival.value_or(Instant::latest());
  if (!stream.is_in_window) ++reckoned_count_;
  stream.is_in_window = true;
  if (std::find(stream_lanes_.begin(), stream_lanes_.end(), lane) == stream_lanes_.end()) {
    stream_lanes_.push_back(lane);
  }
  renew_event(lane);
  return true;
}

// Where the stream set the window length, it does so until a test without it has passed: longer windows make
// larger batches, and nobody has tested those.
void DeepRtPolicy::leave(Stream& stream, Instant now) {
  stream.is_promised = false;
  if (!stream.is_in_window) return;
  stream.is_in_window = false;
  --reckoned_count_;
  const std::uint32_t lane = stream.window.lane;
  catch_up(lane, now, false);
  BatchWindows& windows = windows_[lane];
  if (!windows.has_stream(stream.window_id)) return;  // its contract has ended: that was in the test
  is_stale_ = true;
  wants_retest_ = options_.admission != DeepRtOptions::Admission::kNone && reckoned_count_ > 0;
  const bool others_are_there = windows.stream_count() > (leavers_[lane] ? 2u : 1u);
  if (!wants_retest_ || !others_are_there || !windows.is_set_by(stream.window_id)) {
    windows.stream_removed(stream.window_id);
    return;
  }
  drop_leaver(lane);
  DeepRtWorkshop::Leaver leaver{lane, stream.window_id, stream.window.deadline, std::nullopt};
  if (stream.last_arrival < Instant::latest()) leaver.last_arrival = stream.last_arrival;
  leavers_[lane] = leaver;
}

void DeepRtPolicy::drop_leaver(std::uint32_t lane) {
  if (!leavers_[lane]) return;
  windows_[lane].stream_removed(leavers_[lane]->window_id);
  leavers_[lane].reset();
}

// The first frame fixes the phase. The stream gives up the place that it was tested at, and is tested again
// at the real one; that frame itself is served without a promise.
void DeepRtPolicy::task_anchored(TaskId task, Instant now) {
  Stream* stream = find(task);
  if (stream == nullptr || !stream->is_in_window) return;
  if (options_.admission != DeepRtOptions::Admission::kNone) {
    leave(*stream, now);
    ask(*stream);
    return;
  }
  windows_[stream->window.lane].stream_removed(stream->window_id);
  stream->window_id = ++last_window_id_;
  const Task& contract = books_->stream(task)->task;
  DeepRtWorkshop::Candidate again = candidate_of(*stream, contract, now, now);
  again.stream.next = 0;
  join(*stream, again, now);
}

void DeepRtPolicy::task_removed(TaskId task, Instant now) {
  Stream* stream = find(task);
  if (stream == nullptr) return;
  leave(*stream, now);
  std::erase(pending_, task);
  stream->state = Stream::State::kFree;
}

void DeepRtPolicy::tables_changed(Instant) {
  make_times();
  is_stale_ = true;
  wants_retest_ = wants_retest_ || reckoned_count_ > 0;
}

const WindowLoad& DeepRtPolicy::snapshot(Instant now) {
  LAXITY_CHECK(!is_testing_);
  take_snapshot(now);
  return work_->load;
}

void DeepRtPolicy::take_snapshot(Instant now) {
  const SystemModel& system = books_->system();
  WindowLoad& load = work_->load;
  load.now = now;
  load.free_at.clear();
  for (std::size_t e = 0; e < system.executors.size(); ++e) {
    const ExecutorEntry& executor = books_->executors()[e];
    if (!system.executors[e].runs_batches || executor.is_lost) continue;
    load.free_at.push_back(free_at(e, now));
  }
  load.streams.clear();
  for (std::uint32_t lane = 0; lane < load.lanes.size(); ++lane) {
    catch_up(lane, now, false);
    WindowLane& to = load.lanes[lane];
    to.windows = windows_[lane];
    to.category = row_of(lane);
    to.cap = static_cast<std::uint32_t>(cap_of(lane));
    to.waiting = static_cast<std::uint32_t>(frames_.size(lane)) + places_[lane];
    to.is_promised = to.is_announced = class_of(lane) == Class::kStream;
    const std::size_t outside = frames_.size(backlog(lane));
    if (outside > 0) {
      load.streams.push_back({kNobody, lane, next_entry_[lane], options_.best_effort_period,
                              2 * options_.best_effort_window, 0, outside});
    }
  }
  for (Stream& stream : streams_) {
    if (stream.state == Stream::State::kFree || !stream.is_in_window) continue;
    WindowStream window = stream.window;
    advance(window, *books_->stream(stream.id), now);
    if (window.frames_left() > 0) load.streams.push_back(window);
  }
  std::sort(load.streams.begin(), load.streams.end(), [](const WindowStream& a, const WindowStream& b) {
    return a.lane != b.lane ? a.lane < b.lane : a.id < b.id;
  });
  load.waiting.clear();
  for (std::uint32_t i = 0; i < batches_.size(); ++i) {
    if (!queue_.contains(i)) continue;
    const WindowBatch& batch = batches_[i];
    Duration time;
    if (batch.key.has_not_begun) {
      time = times_.split(row_of(batch.key.lane), static_cast<std::uint32_t>(batch.size) + batch.places);
    } else {
      const CategoryId category = books_->next_category(books_->entry(batch.first));
      time = time_between(category, stage_of(category), batch.run.shape.stage_count,
                          static_cast<std::uint32_t>(batch.size)) +
             system.table.overheads.wake_p99;
    }
    load.waiting.push_back({batch.key, time, least_deadline(batch)});
  }
  load.frames.clear();
  if (options_.admission == DeepRtOptions::Admission::kFrames) list_waiting_frames();
}

void DeepRtPolicy::list_waiting_frames() {
  std::vector<WaitingFrame>& frames = work_->load.frames;
  for (std::uint32_t lane = 0; lane < places_.size(); ++lane) {
    // They came first, and are done.
    const WaitingFrame place{lane, Instant::from_start(Duration::min()), 0, Instant::latest()};
    frames.insert(frames.end(), places_[lane], place);
  }
  for (JobIndex i = 0; i < books_->capacity(); ++i) {
    if (!frames_.contains(i)) continue;
    const std::size_t lane = frames_.heap_of(i);
    if (lane >= windows_.size() || class_of(lane) != Class::kStream) continue;
    const Job& job = books_->entry(i).job;
    frames.push_back({static_cast<std::uint32_t>(lane), job.release, frames_.key(i).stream,
                      *job.absolute_deadline - books_->system().table.overheads.reply_p99});
  }
  std::sort(frames.begin(), frames.end(), [](const WaitingFrame& a, const WaitingFrame& b) {
    if (a.lane != b.lane) return a.lane < b.lane;
    return a.arrival != b.arrival ? a.arrival < b.arrival : a.stream < b.stream;
  });
}

Instant DeepRtPolicy::least_deadline(const WindowBatch& batch) const {
  if (options_.admission != DeepRtOptions::Admission::kFrames || class_of(batch.key.lane) != Class::kStream) {
    return batch.key.deadline;
  }
  Instant least = Instant::latest();
  for (JobIndex job = batch.first; job != kNoIndex; job = members_[job].next) {
    const Instant deadline = *books_->entry(job).job.absolute_deadline;
    least = std::min(least, deadline - books_->system().table.overheads.reply_p99);
  }
  return least;
}

std::optional<std::uint64_t> DeepRtPolicy::request_plan(Instant now) {
  const bool wants_retest = reckoned_count_ > 0 && (wants_retest_ || now >= retest_at_);
  if (pending_.empty() && !wants_retest) return std::nullopt;
  take_snapshot(now);
  if (work_->load.free_at.empty()) return std::nullopt;  // asked again when an executor is back
  DeepRtWorkshop& w = *work_;
  candidate_.reset();
  w.candidate.reset();
  if (!pending_.empty()) {
    const Stream& stream = *find(pending_.front());
    candidate_ = stream.id;
    w.question = DeepRtWorkshop::Question::kAdmit;
    w.candidate = candidate_of(stream, books_->stream(stream.id)->task, now, now + lead_);
    w.wants_offers = !stream.was_promised;
  } else {
    w.question = DeepRtWorkshop::Question::kRetest;
    w.leavers.clear();
    for (auto& leaver : leavers_) {
      if (!leaver) continue;
      if (windows_[leaver->lane].has_stream(leaver->window_id)) {
        w.leavers.push_back(*leaver);
      } else {
        drop_leaver(leaver->lane);  // its contract has ended meanwhile
      }
    }
    wants_retest_ = false;
    retest_at_ = now + kRetestPeriod;
  }
  if (times_are_new_) w.times = times_;
  times_are_new_ = false;
  is_testing_ = true;
  is_stale_ = false;
  return w.frames_max;
}

void DeepRtPolicy::plan_ready(Instant now) {
  is_testing_ = false;
  if (candidate_) {
    admission_ready(now);
  } else {
    retest_ready(now);
  }
}

void DeepRtPolicy::admission_ready(Instant now) {
  const DeepRtWorkshop& w = *work_;
  Stream* stream = find(*candidate_);
  if (stream == nullptr || pending_.empty() || pending_.front() != *candidate_) {  // it has left
    tries_ = 0;
    return;
  }
  const Instant since = w.load.now;
  const WindowStream& asked = w.candidate->stream;
  const bool has_missed_a_frame = asked.frames_left() > 0 && asked.arrival(asked.next) < now;
  bool is_late = is_stale_;
  if (!is_late && w.passes()) is_late = has_missed_a_frame || !join_since(*stream, *w.candidate, since, now);
  if (is_late && ++tries_ < kTriesMax) {
    lead_ = 2 * (now - since);
    return;  // again, against the present
  }
  tries_ = 0;
  lead_ = {};
  pending_.erase(pending_.begin());
  if (is_late || !w.passes()) {
    refuse(*stream, is_late ? Reason::kAdmissionBusy : w.reason());
    return;
  }
  stream->state = Stream::State::kAdmitted;
  stream->is_promised = stream->was_promised = true;
  stream->loss_is_announced = false;
  all_pass(now);
  announce(verdict(*stream));
}

void DeepRtPolicy::refuse(Stream& stream, Reason reason) {
  const DeepRtWorkshop& w = *work_;
  AnswerTask refusal;
  refusal.task = stream.id;
  refusal.reason = reason;
  if (reason == Reason::kAdmissionPhase2) {
    if (w.evidence().late_stream) refusal.failing_task = static_cast<TaskId>(*w.evidence().late_stream);
    if (w.evidence().late_deadline) {
      refusal.failing_at = *w.evidence().late_deadline + books_->system().table.overheads.reply_p99;
    }
  }
  if (reason != Reason::kAdmissionBusy && w.wants_offers) {
    const Duration taken_off =
        books_->stream(stream.id)->task.relative_deadline - w.candidate->stream.deadline;
    if (w.deadline_offer()) refusal.deadline_offer = *w.deadline_offer() + taken_off;
    refusal.period_offer = w.period_offer();
  }
  // One that was promised before its phase was known stays; its frames are served without a promise.
  refusal.admitted = stream.was_promised;
  if (!stream.was_promised) stream.state = Stream::State::kFree;
  if (stream.was_promised) stream.state = Stream::State::kAdmitted;
  if (!stream.was_promised || !stream.loss_is_announced) announce(refusal);
  stream.loss_is_announced = true;
}

void DeepRtPolicy::retest_ready(Instant now) {
  const DeepRtWorkshop& w = *work_;
  if (is_stale_) {
    wants_retest_ = ++tries_ < kTriesMax;  // else at retest_at_
    if (!wants_retest_) tries_ = 0;
    return;
  }
  tries_ = 0;
  if (w.passes()) {
    if (w.may_grow()) {
      for (const DeepRtWorkshop::Leaver& leaver : w.leavers) {
        catch_up(leaver.lane, now, false);
        // A joint that has passed meanwhile opened a short window: what was tested has a longer one.
        const bool is_as_tested = windows_[leaver.lane].joint() == w.load.lanes[leaver.lane].windows.joint();
        if (is_as_tested) drop_leaver(leaver.lane);
      }
    }
    all_pass(now);
    const bool has_leaver =
        std::any_of(leavers_.begin(), leavers_.end(), [](const auto& leaver) { return leaver.has_value(); });
    wants_retest_ = w.may_grow() && has_leaver && ++growth_tries_ < kTriesMax;
    if (!wants_retest_) growth_tries_ = 0;
    if (has_leaver) retest_at_ = std::min(retest_at_, now + kRetestPeriod);
    return;
  }
  tested_until_ = now;
  for (Stream& stream : streams_) {
    if (stream.state != Stream::State::kAdmitted || !stream.is_in_window) continue;
    if (w.late_lanes()[stream.window.lane] != 0) announce_loss(stream, w.reason());
  }
}

// What is in the windows has passed the test: a promise that was lost is given again, and holds as far as was
// tested. Half-way there, the test is repeated.
void DeepRtPolicy::all_pass(Instant now) {
  const TestHorizon& horizon = work_->horizon();
  tested_until_ = horizon.is_cut ? horizon.end : Instant::latest();
  retest_at_ = horizon.is_cut ? now + std::max((horizon.end - now) / 2, kRetestPeriod) : Instant::latest();
  for (Stream& stream : streams_) {
    const bool is_back = stream.state == Stream::State::kAdmitted && stream.is_in_window &&
                         stream.was_promised && !stream.is_promised;
    if (!is_back) continue;
    stream.is_promised = true;
    stream.loss_is_announced = false;
    announce(verdict(stream));
  }
}

}  // namespace laxity
