// Runs one batch of one stage and returns. An engine knows tensors and nothing of deadlines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace laxity {

/// Element types of the Open Inference Protocol that the engines run. Names: "FP32", "INT64", …
enum class DataType : std::uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes
};
const char* name(DataType type) noexcept;
/// Bytes of one element; 0 for kBytes.
std::size_t element_size(DataType type) noexcept;
Result<DataType> parse_data_type(std::string_view name);

/// A tensor as a graph declares it, without the batch dimension when `TensorSpecs::batch_is_free`.
/// A dimension of -1 is free (only the batch may be, for the tensors we serve).
struct TensorSpec {
  std::string name;
  DataType type = DataType::kFp32;
  std::vector<std::int64_t> shape;
  /// Bytes of one job's part. Precondition: no free dimension.
  std::size_t size_per_job() const noexcept;
};

struct StageSpec {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  bool batch_is_free = true;  ///< False: the graph fixes its first dimension, so one job a call.
  /// True: every tensor of the graph begins with a batch dimension (free, or fixed to 1), which `shape`
  /// leaves out. False: the graph has none, and `shape` is the whole shape.
  bool has_batch_dimension = true;
};

/// Bytes of one job's part of one tensor, contiguous, not owned.
using JobBytes = std::span<std::byte>;
using ConstJobBytes = std::span<const std::byte>;

/// One loaded stage on one executor, with its buffers: made ready before serving, used by one thread at a
/// time.
class StageRunner {
 public:
  virtual ~StageRunner() = default;
  virtual const StageSpec& spec() const noexcept = 0;

  /// Where job `job` of the coming batch wants its part of input `input`: write there, then run(). The memory
  /// is the batch buffer itself, so gathering is the only copy. 0 <= job < batch_size_max.
  virtual JobBytes input(std::size_t input, std::size_t job) = 0;

  /// Binds memory of the caller as input `input` of a batch of one instead of the batch buffer: no copy at
  /// all. Holds for the next run() only; `bytes` must outlive it and be aligned for the element type.
  virtual void bind_single_input(std::size_t input, ConstJobBytes bytes) = 0;
  /// Takes every bind_single_input back, for a batch that will not be run. No effect when there is none.
  virtual void unbind_single_inputs() = 0;

  /// Runs a batch of `batch_size` jobs. Blocks. Errors: kInternal with the engine's words; kUnavailable when
  /// terminated. Never throws.
  virtual Status run(std::size_t batch_size) = 0;

  /// Output `output` of job `job` of the last successful run; valid until the next run.
  virtual ConstJobBytes output(std::size_t output, std::size_t job) const = 0;

  /// Makes a run() that is going on in another thread return soon; no effect when none is. Any thread.
  virtual void terminate() noexcept = 0;
};

struct RunnerOptions {
  std::size_t batch_size_max = 32;
  /// Run every batch size before returning, so that no served job pays for first runs.
  bool warm = true;
  /// False: make tensors and look up names anew for each run. Only for measuring what binding once saves.
  bool bind_once = true;
};

/// Loads graphs. One per executor kind; thread-safe for loading.
class Engine {
 public:
  virtual ~Engine() = default;
  /// "onnxruntime 1.30.0", "emulated rtx2080": stands in profiles and results.
  virtual std::string_view version() const noexcept = 0;
  virtual bool is_emulated() const noexcept = 0;
  /// Reads names, types and shapes of a graph. Errors: kNotFound, kInvalidArgument (not a graph; the engine's
  /// words).
  virtual Result<StageSpec> inspect(const std::string& file) = 0;
  /// Errors: as inspect.
  virtual Result<std::unique_ptr<StageRunner>> load(const std::string& file,
                                                    const RunnerOptions& options) = 0;
};

/// ONNX Runtime, from the shared library at `library_path` (empty: environment LAXITY_ONNXRUNTIME, else the
/// pinned one beside the build). Errors: kFailedPrecondition: not found, or its API is too old; says what to
/// do.
Result<std::unique_ptr<Engine>> make_ort_engine(const std::string& library_path = "");

}  // namespace laxity
