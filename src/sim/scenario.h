// A workload as a file describes it: who sends what, when, by when it is wanted back, and what goes wrong
// meanwhile. Read by simulate, load, the demo and the tests (docs/scenarios.md), so that all of them mean the
// same thing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/job.h"
#include "core/system_model.h"
#include "core/task.h"
#include "sim/text_scenario.h"

namespace laxity {

enum class Arrival : std::uint8_t { kPeriodic, kSporadic, kPoisson, kGamma, kTrace, kClosedLoop };
/// "periodic", …: the words of the file.
const char* name(Arrival arrival) noexcept;

/// Relative deadline, drawn per job, uniform in [minimum, maximum]; equal ends: always that one.
struct DeadlineRange {
  Duration minimum{};
  Duration maximum{};
  bool operator==(const DeadlineRange&) const = default;
};

/// What the frames of a stream do that was not admitted.
enum class OnRefusal : std::uint8_t {
  kSkip,       ///< They are not sent, and count as rejected.
  kTakeOffer,  ///< The smallest deadline offered is taken, else the smallest period; without an offer: kSkip.
  kBestEffort,  ///< They are sent as best-effort work.
};

/// One stream of jobs. A [[task]] with `count = n` becomes n of these.
struct TaskSpec {
  std::string name;
  std::string model;
  std::optional<std::string> lowest_variant;

  Arrival arrival = Arrival::kPeriodic;
  Duration period{};            ///< Periodic: T > 0. Sporadic: minimum inter-arrival.
  Duration jitter{};            ///< Periodic: frame k arrives in [start + phase + kT, … + jitter].
  Duration phase{};             ///< Periodic.
  std::int64_t clock_ppm = 0;   ///< Periodic: the sender's clock is so much slow; its contract says T.
  double rate_per_s = 0;        ///< Poisson, gamma; sporadic: mean rate, at most 1/T.
  double cv = 1;                ///< Gamma: coefficient of variation of the inter-arrival times.
  std::vector<Duration> times;  ///< Trace: since the first line of the file, not decreasing.
  std::uint32_t clients = 0;    ///< Closed loop: each has one job out at a time.
  Duration think{};             ///< Closed loop: from the answer to the next job.

  std::optional<DeadlineRange> deadline;  ///< None: best-effort.
  JobKind kind = JobKind::kFirm;
  std::uint32_t miss_rate_bound_ppm = 0;
  std::optional<std::uint64_t> frames;  ///< At most so many jobs; a stream without says that it is endless.
  std::string input = "random";         ///< A named sample set, a folder of pictures, or "random" tensors.
  bool asks_stream = false;             ///< Asks for its contract first; else each frame stands on its own.
  Guarantee guarantee = Guarantee::kNone;  ///< Of a stream: the least that is good enough.
  OnRefusal on_refusal = OnRefusal::kSkip;
  Duration start{};

  /// Sends encoded pictures, to models that have a preprocess part; else tensors.
  bool sends_pictures() const noexcept { return input != "random"; }
};

enum class FaultKind : std::uint8_t {
  kOverrun,       ///< The next `jobs` jobs take `factor` times as long.
  kStall,         ///< `executor` stands still for `duration`; what runs there takes that much longer.
  kExecutorLost,  ///< `executor` is gone, for `duration` or for good.
  kDrift,         ///< Execution times grow evenly from 1 to `factor` times over `duration`, and stay there.
  kClientGone,    ///< The `jobs` oldest jobs that are alive are cancelled.
  kDelay,         ///< The next `jobs` batches take `duration` longer, whatever their size.
};
const char* name(FaultKind kind) noexcept;

struct Fault {
  Instant at;
  FaultKind kind = FaultKind::kOverrun;
  std::uint32_t factor_ppm = 1'000'000;
  std::uint32_t jobs = 1;
  std::uint32_t executor = 0;
  std::optional<Duration> duration;
};

struct Scenario {
  std::string name;
  Duration duration{};  ///< Jobs are released in [0, duration).
  std::uint64_t seed = 1;
  double load_fraction = 0;  ///< Of capacity, as the file's author says; 0: does not say.
  std::vector<TaskSpec> tasks;
  std::vector<Fault> faults;
  /// Models and executors, when the file brings its own ([[model]], executors): then no profile is needed to
  /// simulate.
  std::optional<SystemModel> system;

  std::vector<std::string> task_names() const;
  /// Names of the models that its tasks ask for, each once, in order of appearance.
  std::vector<std::string> model_names() const;
};

inline constexpr std::size_t kScenarioTasksMax = 10'000;
/// A scenario that would release more jobs than this is refused when read.
inline constexpr std::uint64_t kScenarioJobsMax = 20'000'000;

/// Reads the TOML form. `folder`: where trace files are looked for, with "/" at its end or empty.
/// Errors: kInvalidArgument with line, expected and found; kNotFound for a trace file; kTooLarge over the
/// bounds.
Result<Scenario> parse_toml_scenario(std::string_view text, std::string_view origin,
                                     const std::string& folder);

using AnyScenario = std::variant<Scenario, TextScenario>;

/// Reads either form: one with a line `---` is text with expected decisions, anything else TOML.
/// Errors: kNotFound; as parse_toml_scenario and parse_text_scenario.
Result<AnyScenario> load_scenario(const std::string& path);
Result<AnyScenario> parse_scenario(std::string_view text, std::string_view origin, const std::string& folder);

}  // namespace laxity
