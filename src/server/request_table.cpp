// Bytes of living jobs, by id, and the way back from the strand to the network thread.
#include "server/request_table.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace laxity {
namespace {

/// A buffer of an idle request beyond this goes back to the system …
constexpr std::size_t kBufferKeptMax = std::size_t{4} << 20;
/// … and so do all buffers of one that is put back while the others already keep this much.
constexpr std::size_t kMemoryKeptMax = std::size_t{64} << 20;

constexpr std::size_t aligned_up(std::size_t size) {
  return (size + AlignedBuffer::kAlignment - 1) / AlignedBuffer::kAlignment * AlignedBuffer::kAlignment;
}

}  // namespace

RequestTable::RequestTable(const Limits& limits, std::size_t memory_max, std::function<void()> wake)
    : slots_(limits.queue_length_max),
      allocator_(limits.queue_length_max),
      budget_(memory_max),
      stream_mailbox_(limits.streams_max),
      wake_(std::move(wake)) {}

RequestTable::~RequestTable() = default;

RequestTable::Slot& RequestTable::slot_of(JobId job) {
  const std::size_t i = slot(job);
  LAXITY_CHECK(i < slots_.size());
  Slot& found = slots_[i];
  LAXITY_CHECK(found.id == job && found.request != nullptr);
  return found;
}

std::span<const ConstJobBytes> RequestTable::inputs(JobId job) {
  const Slot& found = slot_of(job);
  const InferRequest& decoded = found.request->decoded;
  const std::size_t count = decoded.inputs.size() / decoded.batch_size;
  return {decoded.inputs.data() + found.job * count, count};
}

JobBytes RequestTable::output(JobId job, std::size_t output) {
  const Slot& found = slot_of(job);
  const Request& request = *found.request;
  const std::size_t count = request.output_spans.size() / request.decoded.batch_size;
  LAXITY_CHECK(output < count);
  const ConstJobBytes bytes = request.output_spans[found.job * count + output];
  // The span is const for the encoder; the memory is the request's own.
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

void RequestTable::note_error(JobId job, std::string_view words) {
  Slot& found = slot_of(job);
  found.words_size = static_cast<std::uint32_t>(std::min(words.size(), kWordsMax));
  std::memcpy(found.words.data(), words.data(), found.words_size);
}

void RequestTable::settle(const SettleJob& command) {
  slot_of(command.job).settled = command;
  push(2 * static_cast<std::uint32_t>(slot(command.job)));
}

void RequestTable::forget(JobId job) {
  (void)slot_of(job);
  push(2 * static_cast<std::uint32_t>(slot(job)) + 1);
}

void RequestTable::answer_task(const AnswerTask& command) {
  stream_mailbox_.put(command);
  wake_up();
}

void RequestTable::push(std::uint32_t node) {
  Slot& owner = slots_[node / 2];
  std::uint32_t& next = node % 2 == 0 ? owner.settle_next : owner.forget_next;
  std::uint32_t head = head_.load(std::memory_order_relaxed);
  do {
    next = head;
  } while (!head_.compare_exchange_weak(head, node, std::memory_order_seq_cst, std::memory_order_relaxed));
  wake_up();
}

void RequestTable::wake_up() {
  if (!wake_pending_.exchange(true, std::memory_order_seq_cst)) wake_();
}

Request* RequestTable::acquire() {
  if (free_.empty()) {
    requests_.push_back(std::make_unique<Request>(budget_));
    free_.push_back(requests_.back().get());
  }
  Request* request = free_.back();
  free_.pop_back();
  return request;
}

void RequestTable::recycle(Request* request) {
  LAXITY_CHECK(request->living_count == 0 && request->unsettled_count == 0);
  request->client = nullptr;
  request->codec = nullptr;
  request->task.reset();
  request->is_in_reserve = false;
  request->cancel_pending = false;
  request->body_size = 0;
  request->words.clear();
  const bool keeps_nothing = budget_.used() > kMemoryKeptMax;
  for (AlignedBuffer* buffer : {&request->body, &request->tensors, &request->outputs}) {
    if (keeps_nothing || buffer->capacity() > kBufferKeptMax) buffer->release();
  }
  free_.push_back(request);
}

bool RequestTable::admit(Request& request, Reason& refusal) {
  const std::size_t batch_size = request.decoded.batch_size;
  if (batch_size > (request.is_in_reserve ? allocator_.free_count() : allocator_.unreserved_free_count())) {
    refusal = Reason::kQueueFull;
    return false;
  }
  const std::vector<TensorSpec>& specs = request.codec->model().outputs;
  std::size_t size_per_job = 0;
  for (const TensorSpec& spec : specs) size_per_job += aligned_up(spec.size_per_job());
  std::size_t size = 0;
  if (__builtin_mul_overflow(size_per_job, batch_size, &size) || !request.outputs.reserve(size)) {
    refusal = Reason::kOverloaded;
    return false;
  }
  request.output_spans.resize(batch_size * specs.size());
  request.jobs.resize(batch_size);
  request.settled.resize(batch_size);
  request.is_settled.assign(batch_size, false);
  request.unsettled_count = request.living_count = batch_size;
  request.words.clear();
  std::byte* cursor = request.outputs.data();
  for (std::size_t job = 0; job < batch_size; ++job) {
    for (std::size_t o = 0; o < specs.size(); ++o) {
      const std::size_t output_size = specs[o].size_per_job();
      request.output_spans[job * specs.size() + o] = {cursor, output_size};
      cursor += aligned_up(output_size);
    }
    const JobId id = *allocator_.allocate(request.is_in_reserve);
    request.jobs[job] = id;
    Slot& taken = slots_[slot(id)];
    taken.id = id;
    taken.request = &request;
    taken.job = static_cast<std::uint32_t>(job);
    taken.words_size = 0;
  }
  return true;
}

void RequestTable::give_back_reserve(TaskId stream, std::size_t count) {
  for (const Slot& taken : slots_) {
    if (taken.request != nullptr && taken.request->task == stream) allocator_.disown(taken.id);
  }
  allocator_.unreserve(count);
}

void RequestTable::retract(Request& request, std::size_t from, Outcome outcome, Reason reason) {
  for (std::size_t job = from; job < request.jobs.size(); ++job) {
    Slot& taken = slot_of(request.jobs[job]);
    SettleJob settled;
    settled.job = taken.id;
    settled.outcome = outcome;
    settled.reason = reason;
    request.settled[job] = settled;
    request.is_settled[job] = true;
    --request.unsettled_count;
    on_gone(taken);
  }
}

void RequestTable::on_settled(Slot& found, const std::function<void(Request&)>& on_answer) {
  Request& request = *found.request;
  LAXITY_CHECK(!request.is_settled[found.job]);
  request.settled[found.job] = found.settled;
  request.is_settled[found.job] = true;
  // Only a failure comes after its words; for other outcomes an executor may be writing them right now.
  if (found.settled.outcome == Outcome::kFailed && found.words_size > 0 && request.words.empty()) {
    request.words.assign(found.words.data(), found.words_size);
  }
  if (found.settled.is_last) on_gone(found);
  if (--request.unsettled_count == 0 && request.client != nullptr) on_answer(request);
}

void RequestTable::on_gone(Slot& found) {
  Request& request = *found.request;
  allocator_.release(found.id);
  found.request = nullptr;
  --request.living_count;
}

void RequestTable::take_settled(const std::function<void(Request&)>& on_answer) {
  std::uint32_t node;
  while ((node = head_.exchange(kNone, std::memory_order_seq_cst)) != kNone) {
    // The list is last in, first out; clients are answered in the order of settling.
    std::uint32_t reversed = kNone;
    while (node != kNone) {
      Slot& owner = slots_[node / 2];
      std::uint32_t& next = node % 2 == 0 ? owner.settle_next : owner.forget_next;
      const std::uint32_t rest = next;
      next = reversed;
      reversed = node;
      node = rest;
    }
    while (reversed != kNone) {
      Slot& owner = slots_[reversed / 2];
      const bool is_settle = reversed % 2 == 0;
      reversed = is_settle ? owner.settle_next : owner.forget_next;
      Request* request = owner.request;
      if (is_settle) {
        on_settled(owner, on_answer);
      } else {
        on_gone(owner);
      }
      // Whoever answers takes the client away, so this is also the end of an answered one.
      if (request->client == nullptr && request->living_count == 0 && request->unsettled_count == 0) {
        recycle(request);
      }
    }
  }
}

}  // namespace laxity
