// Bytes of living jobs, by id, and the way back from the strand to the network thread.
//
// A *request* is what a client sent: one body, one reply, b jobs. Each job takes one slot, the same slot as
// in the scheduler's books. Ownership: the network thread makes and frees requests and slots. In between the
// strand and the executors only touch what belongs to their job. `settle` and `forget` run inside the strand
// on any thread and push the slot onto a lock-free list; the network thread takes the whole list at once. It
// is woken only when it is not already on its way, so a burst of settlements costs one wake-up.
//
// The live driver writes a job's outputs inside the strand, before it settles the job, and never afterwards:
// what the network thread reads when it encodes the reply is therefore final. Inputs may be read longer, by a
// batch that goes on with a settled job; so a request's memory outlives its reply until all its jobs are
// forgotten.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/job_id_allocator.h"
#include "core/limits.h"
#include "live/job_store.h"
#include "server/aligned_buffer.h"
#include "server/oip_codec.h"
#include "server/stream_mailbox.h"

namespace laxity {

/// One request with everything that its jobs need. Pooled; the network thread's, except where the essay says.
struct Request {
  explicit Request(MemoryBudget& budget) : body(budget), tensors(budget), outputs(budget) {}

  const ModelCodec* codec = nullptr;  ///< Null: the body is no request for a model.
  std::optional<TaskId> task;         ///< The stream that it is a frame of.
  bool is_in_reserve = false;         ///< It takes one of the slots that its stream has reserved.
  void* client = nullptr;             ///< Who waits for the reply; null when it has gone.
  AlignedBuffer body;  ///< The body starts at `body_offset`, so that binary tensors are aligned.
  std::size_t body_offset = 0;
  std::size_t body_size = 0;
  AlignedBuffer tensors;
  AlignedBuffer outputs;
  InferRequest decoded;

  std::vector<JobId> jobs;
  std::vector<SettleJob> settled;  ///< Valid for job i once it is settled.
  std::vector<bool> is_settled;
  std::vector<ConstJobBytes> output_spans;  ///< Output o of job j is output_spans[j * output count + o].
  std::string words;  ///< The engine's or decoder's, about the first job that failed with words.
  std::size_t unsettled_count = 0;
  std::size_t living_count = 0;  ///< Jobs whose slots are taken.
  bool cancel_pending = false;   ///< The client has gone but some JobCancelled found the mailbox full.

  std::span<std::byte> body_bytes() { return {body.data() + body_offset, body_size}; }
};

class RequestTable final : public JobStore {
 public:
  /// `wake` is called on a foreign thread when the network thread has to look at take_settled(); it must not
  /// block.
  RequestTable(const Limits& limits, std::size_t memory_max, std::function<void()> wake);
  ~RequestTable() override;

  // What the live driver calls (live/job_store.h).
  std::span<const ConstJobBytes> inputs(JobId job) override;
  JobBytes output(JobId job, std::size_t output) override;
  void note_error(JobId job, std::string_view words) override;
  void settle(const SettleJob& command) override;
  void forget(JobId job) override;
  void answer_task(const AnswerTask& command) override;

  // What follows is the network thread's.

  /// An empty request, or null when the memory budget is exhausted.
  Request* acquire();
  /// Precondition: no living job.
  void recycle(Request* request);

  /// Gives each job of a decoded request its id and room for its outputs. False: not enough slots
  /// (kQueueFull) or memory (kOverloaded); nothing was taken.
  bool admit(Request& request, Reason& refusal);
  /// Keeps `count` slots for the frames of a stream. False: others use or have reserved too many.
  bool try_reserve(std::size_t count) { return allocator_.try_reserve(count); }
  /// The stream has ended; frames of it that are still alive go on as any other job. O(slots).
  void give_back_reserve(TaskId stream, std::size_t count);
  std::size_t reserved_count() const noexcept { return allocator_.reserved_count(); }

  /// Takes back the slots of jobs [from, …) that were never released to the scheduler; they count as settled
  /// with `outcome` and `reason`.
  void retract(Request& request, std::size_t from, Outcome outcome, Reason reason);

  /// Calls `on_answer` for each request whose last job was settled since the last call, in the order of
  /// settling. `on_answer` may release new jobs and thereby settle more: they are taken too. Requests without
  /// living jobs and without client are recycled; one that has been answered is recycled by the caller when
  /// `is_finished`.
  void take_settled(const std::function<void(Request&)>& on_answer);
  static bool is_finished(const Request& request) { return request.living_count == 0; }

  /// Called by whoever runs the network thread around its sleep: while it is awake anyway nobody wakes it.
  void set_awake(bool awake) noexcept { wake_pending_.store(awake, std::memory_order_seq_cst); }
  /// True when take_settled() would find something. Any thread.
  bool has_settled() const noexcept {
    return head_.load(std::memory_order_seq_cst) != kNone || stream_mailbox_.has_news();
  }

  /// What the scheduler has said of streams since the last look. It wakes the network thread as settlements
  /// do.
  StreamMailbox& stream_mailbox() noexcept { return stream_mailbox_; }

  MemoryBudget& budget() noexcept { return budget_; }
  std::size_t living_count() const noexcept { return slots_.size() - allocator_.free_count(); }
  std::size_t capacity() const noexcept { return slots_.size(); }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::size_t kWordsMax = 240;
  struct Slot {
    JobId id{};
    Request* request = nullptr;
    std::uint32_t job = 0;  // index in the request
    std::uint32_t settle_next = kNone, forget_next = kNone;
    SettleJob settled;
    std::uint32_t words_size = 0;
    std::array<char, kWordsMax> words;
  };

  Slot& slot_of(JobId job);
  void push(std::uint32_t node);
  void wake_up();
  void on_settled(Slot& slot, const std::function<void(Request&)>& on_answer);
  void on_gone(Slot& slot);

  std::vector<Slot> slots_;
  JobIdAllocator allocator_;
  MemoryBudget budget_;
  StreamMailbox stream_mailbox_;
  std::function<void()> wake_;
  std::atomic<std::uint32_t> head_{kNone};  // node 2 * slot: settle, 2 * slot + 1: forget
  std::atomic<bool> wake_pending_{false};
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<Request*> free_;
};

}  // namespace laxity
