// The policy `deeprt`: frames into windows, windows into batches, batches onto executors.
#include <algorithm>
#include <utility>

#include "policy/deeprt_policy.h"

namespace laxity {

// Frames of an admitted stream, as long as it keeps to its contract; a late one would find windows that no
// longer reckon with it.
std::uint32_t DeepRtPolicy::lane_of(const JobEntry& entry, Instant now) {
  const CategoryId category = books_->next_category(entry);
  if (entry.job.kind == JobKind::kBestEffort) return lane_at(category, Class::kBestEffort);
  if (entry.job.task) {
    const Stream* stream = find(*entry.job.task);
    const StreamEntry* contract = books_->stream(*entry.job.task);
    const bool is_expected = stream != nullptr && stream->is_in_window && contract != nullptr &&
                             *entry.job.frame >= stream->window.next && now <= stream->last_arrival &&
                             !contract->is_late(*entry.job.frame, entry.job.release);
    if (is_expected && windows_[stream->window.lane].joint()) return stream->window.lane;
  }
  return lane_at(category, Class::kAdHoc);
}

void DeepRtPolicy::job_ready(JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  if (members_[job].begun == entry.job.id) {
    rejoin(job);
    return;
  }
  if (entry.job.task) {
    if (const Stream* stream = find(*entry.job.task); stream != nullptr)
      catch_up(stream->window.lane, now, false);
  }
  const std::uint32_t lane = lane_of(entry, now);
  catch_up(lane, now, false);
  const bool has_priority = entry.job.kind == JobKind::kBestEffort;
  const std::uint32_t stream = entry.job.task ? static_cast<std::uint32_t>(index(*entry.job.task)) : 0;
  enter(lane, job, {has_priority ? entry.job.priority : 0, entry.job.release, stream, entry.job.id}, now);
  renew_event(lane);
}

void DeepRtPolicy::enter(std::size_t lane, JobIndex job, const FrameKey& key, Instant now) {
  switch (class_of(lane)) {
    case Class::kStream:
      break;
    case Class::kAdHoc:
      windows_[lane].frame_arrived(now, *books_->entry(job).job.absolute_deadline - now);
      break;
    case Class::kBestEffort:
      if (!frames_.empty(backlog(lane)) || now < next_entry_[lane]) {
        frames_.push(job, key, backlog(lane));
        return;
      }
      windows_[lane].frame_arrived(now, 2 * options_.best_effort_window);
      next_entry_[lane] = now + options_.best_effort_period;
      break;
  }
  frames_.push(job, key, lane);
}

void DeepRtPolicy::job_gone(JobIndex job, Instant) {
  if (!frames_.contains(job)) {
    unlink(job);
    return;
  }
  const std::size_t lane = frames_.heap_of(job) % windows_.size();
  frames_.erase(job);
  renew_event(lane);
}

// All jobs that come back from the executor before the next such call belong to one batch.
void DeepRtPolicy::batch_finished(CategoryId category, ExecutorId executor, BatchStatus status,
                                  Duration execution_time, Instant) {
  returning_ = kNoIndex;
  returning_run_ = running_[index(executor)].run;
  Run& run = returning_run_;
  if (status == BatchStatus::kTerminated) is_stale_ = true;  // an executor may be lost
  if (status != BatchStatus::kSucceeded) return;
  run.actual += execution_time;
  if (stage_of(category) + 1 < run.shape.stage_count || class_of(run.lane) == Class::kBestEffort) return;
  adaptation_->batch_done(run.lane, run.shape, run.size, run.encoded_count, run.actual);
}

// Called for the jobs of the batch that batch_finished has just told of.
bool DeepRtPolicy::continue_to_next_stage(JobIndex job, Instant) {
  return books_->entry(job).stages_done < returning_run_.shape.stage_count;
}

Decision DeepRtPolicy::review(Instant now, bool timer_fired) {
  if (timer_fired) fired_at_ = now;
  Decision decision;
  while (!events_.empty()) {
    const LaneEvent next = events_.top_key();
    if (next.at > now || (next.at == now && next.is_joint && !timer_fired)) {
      decision.wait_until = next.at;
      break;
    }
    catch_up(next.lane, now, timer_fired);
  }
  return decision;
}

Decision DeepRtPolicy::decide(ExecutorId executor, Instant now) {
  Decision decision;
  Run run;
  skip_empty(executor, now);
  const bool has_queued = !queue_.empty();
  const bool begins = has_queued && queue_.top_key().has_not_begun;
  if (begins && awaits_joint(now)) {
    decision.wait_until = now;
    return decision;
  }
  if (has_queued && (!begins || !is_booked(executor, now) || is_next_anyway(executor, now))) {
    run = start_queued(decision, executor, now);
  } else {
    if (options_.early != DeepRtOptions::EarlyBatching::kNever) run = start_early(decision, executor, now);
    if (has_queued) decision.wait_until = std::min(booked_until_[index(executor)], next_joint(now));
  }
  if (decision.kind != Decision::Kind::kStart) return decision;
  const JobEntry& first = books_->entry(decision.jobs[0]);
  CategoryId category = books_->next_category(first);
  if (first.stages_done == 0 && run.shape.variant != first.job.variant) {
    decision.variant = run.shape.variant;
    category = books_->system().catalog.model(first.job.model).variants[run.shape.variant].stages.front();
  }
  run.executor = index(executor);
  running_[index(executor)] = {category, run};
  return decision;
}

// A batch that begins: what it is to run through.
DeepRtPolicy::Run DeepRtPolicy::run_of(const Decision& decision, std::uint32_t lane) const {
  Run run;
  run.lane = lane;
  run.size = static_cast<std::uint32_t>(decision.jobs.size());
  run.shape = class_of(lane) == Class::kBestEffort ? adaptation_->full_shape(lane)
                                                   : adaptation_->shape(lane, run.size);
  for (const JobIndex job : decision.jobs) run.encoded_count += books_->entry(job).encoded ? 1 : 0;
  return run;
}

// True: some window ends at this very instant, and frames may still come into it.
bool DeepRtPolicy::awaits_joint(Instant now) {
  if (fired_at_ == now) return false;
  if (!events_.empty() && events_.top_key().at == now) return true;
  for (const std::uint32_t lane : stream_lanes_) {
    catch_up(lane, now, false);
    if (windows_[lane].joint() == now) return true;
  }
  return false;
}

// Keeps the queue of events to lanes that have frames: others have nothing to do at their joints, and catch
// up later.
void DeepRtPolicy::renew_event(std::size_t lane) {
  const auto slot = static_cast<std::uint32_t>(lane);
  std::optional<LaneEvent> next;
  if (!frames_.empty(lane) || places_[lane] > 0) next = LaneEvent{*windows_[lane].joint(), true, slot};
  if (!frames_.empty(backlog(lane)) && (!next || next_entry_[lane] <= next->at)) {
    next = LaneEvent{next_entry_[lane], false, slot};
  }
  if (events_.contains(slot)) {
    if (next && events_.key(slot) == *next) return;
    events_.erase(slot);
  }
  if (next) events_.push(slot, *next);
}

// Plays what the lane has had to do before `now`, or up to it when `inclusive`: frames that have waited
// outside enter at their time, windows close. At equal times frames enter first: windows are (a, b].
void DeepRtPolicy::catch_up(std::size_t lane, Instant now, bool inclusive) {
  BatchWindows& windows = windows_[lane];
  for (;;) {
    if (frames_.empty(lane) && frames_.empty(backlog(lane)) && places_[lane] == 0) {
      windows.skip_to(now);
      if (inclusive && windows.joint() == now) windows.close();
      break;
    }
    const bool may_enter = !frames_.empty(backlog(lane)) && next_entry_[lane] <= now;
    if (may_enter && (!windows.joint() || next_entry_[lane] <= *windows.joint())) {
      const FrameKey key = frames_.top_key(backlog(lane));
      const JobIndex job = frames_.pop(backlog(lane));
      windows.frame_arrived(next_entry_[lane], 2 * options_.best_effort_window);
      frames_.push(job, key, lane);
      next_entry_[lane] = next_entry_[lane] + options_.best_effort_period;
    } else if (windows.joint() && (*windows.joint() < now || (inclusive && *windows.joint() == now))) {
      close_window(lane);
    } else {
      break;
    }
  }
  renew_event(lane);
}

// Frames that were taken early came first, so their places are the first ones.
void DeepRtPolicy::close_window(std::size_t lane) {
  std::uint32_t places = places_[lane];
  places_[lane] = 0;
  const std::size_t count = frames_.size(lane) + places;
  form_batches(windows_[lane], static_cast<std::uint32_t>(lane), count, cap_of(lane), sequence_,
               [&](const WindowBatchKey& key, std::size_t size) {
                 const auto kept = static_cast<std::uint32_t>(std::min<std::size_t>(places, size));
                 places -= kept;
                 const bool is_empty = kept == size;
                 if (is_empty && empty_count_ == windows_.size()) {  // no room: that time is not booked
                   place_count_ -= kept;
                   return;
                 }
                 empty_count_ += is_empty ? 1 : 0;
                 const std::uint32_t batch = open_batch(key);
                 batches_[batch].places = kept;
                 for (std::size_t i = kept; i < size; ++i) link(frames_.pop(lane), batch);
               });
  windows_[lane].close();
}

std::uint32_t DeepRtPolicy::open_batch(const WindowBatchKey& key) {
  LAXITY_CHECK(!free_batches_.empty());
  const std::uint32_t batch = free_batches_.back();
  free_batches_.pop_back();
  batches_[batch] = {kNoIndex, kNoIndex, 0, key, {}, 0};
  queue_.push(batch, key);
  return batch;
}

void DeepRtPolicy::link(JobIndex job, std::uint32_t batch) {
  WindowBatch& target = batches_[batch];
  members_[job].batch = batch;
  members_[job].next = kNoIndex;
  members_[job].previous = target.last;
  (target.last == kNoIndex ? target.first : members_[target.last].next) = job;
  target.last = job;
  ++target.size;
}

void DeepRtPolicy::unlink(JobIndex job) {
  Member& member = members_[job];
  WindowBatch& batch = batches_[member.batch];
  (member.previous == kNoIndex ? batch.first : members_[member.previous].next) = member.next;
  (member.next == kNoIndex ? batch.last : members_[member.next].previous) = member.previous;
  if (--batch.size == 0) {
    place_count_ -= batch.places;
    queue_.erase(member.batch);
    free_batches_.push_back(member.batch);
    if (returning_ == member.batch) returning_ = kNoIndex;
  }
  member.batch = kNoIndex;
}

// A job that comes back, for its next stage or because its executor was lost, goes on in its batch's company.
void DeepRtPolicy::rejoin(JobIndex job) {
  if (returning_ == kNoIndex) {
    WindowBatchKey key = members_[job].key;
    key.has_not_begun = false;
    returning_ = open_batch(key);
    batches_[returning_].run = returning_run_;
  }
  link(job, returning_);
}

void DeepRtPolicy::begin(Decision& decision, JobIndex job, const WindowBatchKey& key) {
  members_[job].begun = books_->entry(job).job.id;
  members_[job].key = key;
  decision.jobs.push_back(job);
}

DeepRtPolicy::Run DeepRtPolicy::start_queued(Decision& decision, ExecutorId executor, Instant now) {
  decision.kind = Decision::Kind::kStart;
  const std::uint32_t batch = queue_.top();
  const WindowBatchKey key = batches_[batch].key;
  const Run run = batches_[batch].run;
  if (key.has_not_begun) {
    book(executor, batch, now);
  } else {
    // One executor goes on with what another has begun: they change roles.
    std::swap(booked_until_[run.executor], booked_until_[index(executor)]);
  }
  // Less than the batch only if a new table has a lower cap than the one it was formed with.
  const CategoryId category = books_->next_category(books_->entry(batches_[batch].first));
  const std::size_t size =
      std::min<std::size_t>(batches_[batch].size, books_->system().batch_size_max(category));
  while (decision.jobs.size() < size) {
    const JobIndex job = batches_[batch].first;
    unlink(job);
    begin(decision, job, key);
  }
  return key.has_not_begun ? run_of(decision, key.lane) : run;
}

Instant DeepRtPolicy::batch_deadline(std::size_t lane, Instant now) const {
  return windows_[lane].joint() ? windows_[lane].batch_deadline() : now + 2 * options_.best_effort_window;
}

// The executor is booked for as long as the batch would take with the frames that were taken early, from when
// it would have begun. One that has all its frames and begins when it was to needs no booking: it ends when
// it ends.
void DeepRtPolicy::book(ExecutorId executor, std::uint32_t batch, Instant now) {
  WindowBatch& booked = batches_[batch];
  Instant& until = booked_until_[index(executor)];
  if (booked.places == 0 && until <= now) return;
  const std::uint32_t size = static_cast<std::uint32_t>(booked.size) + booked.places;
  until = std::max(now, until) + times_.split(row_of(booked.key.lane), size);
  place_count_ -= booked.places;
  booked.places = 0;
}

// Batches whose turn it is and all of whose frames have been taken early: only their time is left to book.
void DeepRtPolicy::skip_empty(ExecutorId executor, Instant now) {
  while (!queue_.empty() && batches_[queue_.top()].size == 0) {
    if (awaits_joint(now)) return;
    if (is_booked(executor, now) && !is_next_anyway(executor, now)) return;
    const std::uint32_t batch = queue_.top();
    book(executor, batch, now);
    queue_.erase(batch);
    free_batches_.push_back(batch);
    --empty_count_;
  }
}

// What is first in the queue now is also first when the booked time is over, and nobody else would take it
// before.
bool DeepRtPolicy::is_next_anyway(ExecutorId executor, Instant now) {
  const Instant until = booked_until_[index(executor)];
  if (is_testing_ || next_joint(now) <= until) return false;  // who is being tested may bring a joint
  for (std::size_t e = 0; e < books_->executors().size(); ++e) {
    const bool is_there = books_->system().executors[e].runs_batches && !books_->executors()[e].is_lost;
    if (is_there && e != index(executor) && free_at(e, now) < until) return false;
  }
  return true;
}

// By when the executor has to be back for what was tested.
Instant DeepRtPolicy::early_limit(ExecutorId executor, Instant now) {
  const Instant until = booked_until_[index(executor)];
  return queue_.empty() ? std::max(until, next_joint(now)) : until;
}

// When the executor is done with what it runs, or is booked for.
Instant DeepRtPolicy::free_at(std::size_t executor, Instant now) const {
  const ExecutorEntry& entry = books_->executors()[executor];
  Instant free = std::max(now, booked_until_[executor]);
  if (!entry.batch && !entry.segment) return free;
  Instant done = std::max(now, entry.planned_finish);
  if (entry.batch) {
    const Running& running = running_[executor];
    done = done + time_between(running.category, stage_of(running.category) + 1,
                               running.run.shape.stage_count, running.run.size);
  }
  return std::max(free, done);
}

// Frames of the window, and of those that wait outside.
DeepRtPolicy::Run DeepRtPolicy::start_early(Decision& decision, ExecutorId executor, Instant now) {
  const bool is_gated = options_.early == DeepRtOptions::EarlyBatching::kGated;
  if (is_gated && is_testing_) return {};  // who is being tested may bring a joint
  std::optional<std::size_t> chosen;
  for (std::size_t lane = 0; lane < windows_.size(); ++lane) {
    if (frames_.empty(lane) && frames_.empty(backlog(lane))) continue;
    if (!chosen || batch_deadline(lane, now) < batch_deadline(*chosen, now)) chosen = lane;
  }
  if (!chosen) return {};
  const std::size_t lane = *chosen;
  const std::size_t size = std::min(cap_of(lane), frames_.size(lane) + frames_.size(backlog(lane)));
  const Duration time = times_(row_of(lane), static_cast<std::uint32_t>(size));
  if (is_gated && now + time > early_limit(executor, now)) return {};
  if (keeps_places(lane)) {
    if (place_count_ + size > books_->capacity()) return {};
    places_[lane] += static_cast<std::uint32_t>(size);
    place_count_ += size;
  }
  decision.kind = Decision::Kind::kStart;
  const WindowBatchKey key{true, batch_deadline(lane, now), now, static_cast<std::uint32_t>(lane),
                           ++sequence_};
  while (decision.jobs.size() < size) {
    begin(decision, frames_.pop(frames_.empty(lane) ? backlog(lane) : lane), key);
  }
  renew_event(lane);
  return run_of(decision, key.lane);
}

// The next instant at which some category with deadlines may release a batch.
Instant DeepRtPolicy::next_joint(Instant now) {
  Instant next = Instant::latest();
  for (std::size_t lane = 0; lane < windows_.size(); ++lane) {
    if (class_of(lane) == Class::kBestEffort) continue;
    catch_up(lane, now, fired_at_ == now);
    if (windows_[lane].joint()) next = std::min(next, *windows_[lane].joint());
  }
  return next;
}

}  // namespace laxity
