// Where the live driver finds a job's bytes and leaves its answer: implemented by the server's request table.
#pragma once

#include <span>
#include <string_view>

#include "core/command.h"
#include "core/ids.h"
#include "engine/engine.h"

namespace laxity {

/// Bytes of living jobs, by id. The scheduler never sees them. A job's memory stays valid from its
/// JobReleased until `forget`. Calls for different jobs come from different threads; for one job never at the
/// same time, except that `settle` may run while an executor still reads the inputs of a job answered
/// early. Outputs are written inside the strand and never after `settle`.
class JobStore {
 public:
  virtual ~JobStore() = default;

  /// One span per model input, in the model's order; when the job was released with `needs_preprocess`,
  /// element 0 is the encoded picture. Executor threads; does not block.
  virtual std::span<const ConstJobBytes> inputs(JobId job) = 0;

  /// Destination of model output `output` (its size_per_job). Each exit is written here while the job is
  /// not settled. Inside the strand, on whatever thread holds it; does not block.
  virtual JobBytes output(JobId job, std::size_t output) = 0;

  /// The engine's or decoder's words for a job that is about to fail. Executor threads.
  virtual void note_error(JobId job, std::string_view words) = 0;

  /// The job's one outcome: answer its client. Called inside the strand, on whatever thread holds it: must
  /// only hand over to the network thread, without blocking and without allocating on the executor's behalf.
  /// If `command.is_last`, the memory may be reused as soon as the reply has been sent.
  virtual void settle(const SettleJob& command) = 0;

  /// A settled job has left its batch. Inside the strand.
  virtual void forget(JobId job) = 0;

  /// The verdict on a stream. Inside the strand.
  virtual void answer_task(const AnswerTask& command) = 0;
};

}  // namespace laxity
