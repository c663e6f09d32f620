// Sends prepared requests at their intended times over many connections, and judges every answer.
//
// An honest client is an open loop: a request leaves at its time whether or not earlier ones were answered,
// because cameras do not wait. Response time therefore runs from the *intended* time; a client that measures
// from the moment it got round to sending hides exactly the stalls one wants to see (coordinated omission).
//
// One thread waits in epoll for the next send time or the next answer. Asio would do the same with one more
// layer of timers and completion handlers between the time and the send; here the wait is a single system
// call whose time-out has nanoseconds, and an answer costs three system calls in all. On a machine of two
// cores what the client leaves alone is what the server gets.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "load/endpoint.h"
#include "load/infer_codec.h"
#include "load/load_clock.h"
#include "sim/scenario.h"
#include "trace/results.h"

namespace laxity {

struct LoadOptions {
  std::size_t connections_max =
      900;  ///< Below a server's usual 1024. When all are busy, requests wait for one.
  std::size_t connections_spare =
      4;                    ///< Idle ones kept open ahead of need, so that no send pays for a handshake.
  Duration lead = 50ms;     ///< Between the first connections and instant 0.
  Duration grace = 5s;      ///< How long after the last deadline answers are still awaited. At most 10 min.
  Duration spin_max = 0us;  ///< Looks at the clock instead of sleeping this long before a send is due.
  std::optional<int> core;  ///< Where the client's thread runs; none: anywhere.
  std::optional<std::uint64_t> seed;  ///< None: the scenario's.
  std::string samples_folder = "models/samples";
  Duration stream_margin = 1ms;            ///< Taken off the contracts of streams (stream_opener.h).
  bool stops_asking_when_refused = false;  ///< Streams behind the first refused one neither ask nor send.
  std::optional<OnRefusal> on_refusal;     ///< None: as each task of the scenario says.
  std::string policy;  ///< Stands in the result; empty: what the server says, else "unknown".
};

/// Which frame of which stream a job is.
struct StreamFrame {
  std::uint32_t stream = 0;  ///< Index into LoadPlan::streams.
  std::uint32_t number = 0;
  std::optional<Instant> promised_if_sent_by;  ///< None: nothing was promised.
};

/// A job to send. `request` indexes LoadPlan::requests.
struct LoadJob {
  Instant at;
  std::uint32_t task = 0;
  std::optional<Duration> relative_deadline;
  std::uint32_t request = 0;
  JobKind kind = JobKind::kFirm;
  std::optional<std::uint32_t> client;  ///< Closed loop: who waits for the answer.
  /// Of a stream; `request` is then one with a place for it.
  std::optional<StreamFrame> frame = std::nullopt;
};

/// At `at` the client closes the connections of the `jobs` oldest requests that are out.
struct HangUp {
  Instant at;
  std::uint32_t jobs = 1;
};

struct LoadPlan {
  std::vector<PreparedRequest> requests;
  std::vector<std::string> streams;  ///< Names, as the server gave them.
  std::vector<LoadJob> open_jobs;    ///< In order of time.
  std::vector<LoadJob> first_jobs;   ///< Closed loop: of each client.
  /// What `client` sends next, when its last job ended at `now`; none: it is done.
  std::function<std::optional<LoadJob>(std::uint32_t client, Instant now)> next_job;
  std::vector<HangUp> hang_ups;  ///< In order of time.
  std::optional<LoadClock>
      clock;  ///< Whose instant 0 is the plan's; none: LoadOptions::lead from the first connections.
};

struct LoadStats {
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_lost = 0;  ///< While a request was out on them.
  std::uint64_t unsent = 0;            ///< No connection became free before the job's deadline.
  std::uint64_t unanswered = 0;        ///< Still without an answer when the grace was over.
  std::uint64_t sent_too_late =
      0;  ///< Frames later than their contract by the client's own fault: not promised.
  std::uint64_t unreadable = 0;  ///< Answers that were not inference answers.
  std::string first_error;       ///< The first words of a failure.
};

struct LoadRun {
  std::vector<JobRecord> jobs;  ///< Open jobs in the plan's order, then closed-loop jobs in order of sending.
  Duration elapsed{};           ///< From instant 0 to the last answer.
  LoadStats stats;
};

/// Plays `plan` and returns when every answer has come or the grace is over. Outcomes: 200 on time or late by
/// the client's clock; 504 dropped; 503 and 429 rejected; hang-ups of its own cancelled; everything else, a
/// lost connection and an unreadable answer included, failed. Unanswered jobs are late, without response
/// time, when they have a deadline and failed when not. Errors: kUnavailable: the server cannot be reached at
/// the start. One thread, blocks.
Result<LoadRun> play(const LoadPlan& plan, const Endpoint& endpoint, const LoadOptions& options);

}  // namespace laxity
