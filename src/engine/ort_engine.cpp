// ONNX Runtime behind the Engine seam: the only file that includes it.
//
// The library is opened at run time. A program linked against it would be tied to one exact version by the
// symbol version in its name; opened, any build that serves the headers' API version is a drop-in (a GPU
// build, say), and a machine without it gets a sentence instead of a loader error.
//
// Memory. All sessions share one arena, which extends by exactly what is asked for. Each runner warms its
// largest batch first: the smaller ones then fit into memory that the largest has left free. Warmed upwards,
// every size would need a new region and the process would hold the sum of all of them.
//
// Time. One thread runs a stage from start to end: no pool, no spinning, nobody to wake. Input and output
// buffers are bound once per batch size, so that a run passes no names, makes no tensors and copies nothing.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <new>
#include <optional>

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#undef ORT_API_MANUAL_INIT

#include "base/check.h"
#include "engine/engine.h"

namespace laxity {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector register

// Half of the machine, so that a run that wants more fails alone instead of taking the process with it.
std::size_t arena_size_max() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_size = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_size <= 0) return std::size_t{1} << 30;
  return static_cast<std::size_t>(pages) / 2 * static_cast<std::size_t>(page_size);
}

// --------------------------------------------------------------------------------------------------
// The library, opened once per process: its functions hang off one global table.

struct Library {
  std::string path;
  std::string version;
};

std::string folder_of_this_program() {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = readlink("/proc/self/exe", buffer.data(), buffer.size() - 1);
  if (length <= 0) return ".";
  return std::filesystem::path(std::string(buffer.data(), static_cast<std::size_t>(length)))
      .parent_path()
      .string();
}

std::vector<std::string> candidates(const std::string& asked_for) {
  if (!asked_for.empty()) return {asked_for};
  if (const char* path = std::getenv("LAXITY_ONNXRUNTIME"); path != nullptr && *path != '\0') return {path};
  return {
#ifdef LAXITY_ORT_DEFAULT_PATH
      LAXITY_ORT_DEFAULT_PATH,
#endif
      folder_of_this_program() + "/../lib/libonnxruntime.so.1", "libonnxruntime.so.1"};
}

Result<Library> open_library(const std::vector<std::string>& paths) {
  void* handle = nullptr;
  std::string path;
  std::string words;
  for (const std::string& candidate : paths) {
    handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) {
      path = candidate;
      break;
    }
    const char* complaint = dlerror();
    words += (words.empty() ? "" : "; ") + std::string(complaint == nullptr ? candidate : complaint);
  }
  if (handle == nullptr) {
    return failed_precondition("ONNX Runtime's shared library could not be opened (" + words +
                               "); run scripts/setup.sh, or name the file in LAXITY_ONNXRUNTIME");
  }
  using GetApiBase = const OrtApiBase* (*)();
  auto get_api_base = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  if (get_api_base == nullptr) {
    dlclose(handle);
    return failed_precondition(path + ": expected ONNX Runtime, found a library without OrtGetApiBase");
  }
  const std::string version = get_api_base()->GetVersionString();
  const OrtApi* api = get_api_base()->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    dlclose(handle);
    return failed_precondition(path + ": expected ONNX Runtime 1." + std::to_string(ORT_API_VERSION) +
                               " or newer, found " + version);
  }
  Ort::InitApi(api);
  return Library{path, version};
}

/// The environment that all sessions share. Its users hold it by shared_ptr: the library keeps one
/// environment per process, and it has to go after the last session, whichever engine or runner that belonged
/// to.
struct Runtime {
  Library library;
  Ort::Env env{nullptr};
  Ort::MemoryInfo memory_info{nullptr};
};

std::string words_of(OrtStatus* status) {
  std::string words = Ort::GetApi().GetErrorMessage(status);
  Ort::GetApi().ReleaseStatus(status);
  return words;
}

// The wheels of 1.29 and later report home from Linux too, and write a device id into the user's cache
// folder. A box that serves cameras tells nobody: off before the library is opened, since making the
// environment already reports. 1.30 knows the first name, later ones the second. Who sets one is left alone.
void keep_to_ourselves() {
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  setenv("ORT_TELEMETRY_DISABLED", "1", 0);
}

Result<std::shared_ptr<Runtime>> open_runtime(const std::string& library_path) {
  static std::mutex mutex;
  static std::optional<Library> library;
  static std::weak_ptr<Runtime> living;
  const std::lock_guard lock(mutex);

  const std::vector<std::string> paths = candidates(library_path);
  if (!library) {
    keep_to_ourselves();
    Result<Library> opened = open_library(paths);
    if (!opened) return opened.error();
    library = *opened;
  } else if (std::find(paths.begin(), paths.end(), library->path) == paths.end()) {
    return failed_precondition(paths.front() + ": this process already runs " + library->path +
                               "; only one build of ONNX Runtime can be open at a time");
  }
  if (std::shared_ptr<Runtime> runtime = living.lock()) return runtime;
  try {
    auto runtime = std::make_shared<Runtime>();
    runtime->library = *library;
    runtime->env = Ort::Env(ORT_LOGGING_LEVEL_ERROR, "laxity");
    runtime->env.DisableTelemetryEvents();
    runtime->memory_info = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    constexpr int kExtendByWhatIsAskedFor = 1;
    const Ort::ArenaCfg arena(arena_size_max(), kExtendByWhatIsAskedFor, /*initial_chunk_size_bytes=*/-1,
                              /*max_dead_bytes_per_chunk=*/-1);
    runtime->env.CreateAndRegisterAllocator(runtime->memory_info, arena);
    living = runtime;
    return runtime;
  } catch (const std::exception& exception) {
    return Error{ErrorCode::kInternal, std::string("ONNX Runtime: ") + exception.what()};
  }
}

// --------------------------------------------------------------------------------------------------
// What a graph declares, and what it really does.

std::optional<DataType> data_type_of(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL:
      return DataType::kBool;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return DataType::kUint8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16:
      return DataType::kUint16;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32:
      return DataType::kUint32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64:
      return DataType::kUint64;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return DataType::kInt8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16:
      return DataType::kInt16;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return DataType::kInt32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return DataType::kInt64;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return DataType::kFp16;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return DataType::kFp32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
      return DataType::kFp64;
    default:
      return std::nullopt;
  }
}

ONNXTensorElementDataType element_type_of(DataType type) {
  switch (type) {
    case DataType::kBool:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
    case DataType::kUint8:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
    case DataType::kUint16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16;
    case DataType::kUint32:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32;
    case DataType::kUint64:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64;
    case DataType::kInt8:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
    case DataType::kInt16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16;
    case DataType::kInt32:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    case DataType::kInt64:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
    case DataType::kFp16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    case DataType::kFp32:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    case DataType::kFp64:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE;
    case DataType::kBytes:
      break;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

/// Shapes as the graph has them, batch dimension included; -1 where it leaves a dimension free.
Result<TensorSpec> declared_spec(std::string name, const char* role, const Ort::TypeInfo& info) {
  TensorSpec spec;
  spec.name = std::move(name);
  const std::string subject = std::string(role) + " '" + spec.name + "'";
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) {
    return invalid_argument(subject + " is a sequence, map or optional; only tensors can be served");
  }
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  if (tensor.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING) {
    return invalid_argument(subject + " holds strings; only numbers and booleans can be served");
  }
  const auto type = data_type_of(tensor.GetElementType());
  if (!type) {
    return invalid_argument(subject + " has ONNX element type " + std::to_string(tensor.GetElementType()) +
                            "; expected BOOL, an integer, FP16, FP32 or FP64");
  }
  spec.type = *type;
  spec.shape = tensor.GetShape();
  return spec;
}

/// What goes into a run: owns names, buffers and shapes of one plain call. For probing only.
struct Probe {
  std::vector<const char*> input_names, output_names;
  std::vector<std::vector<std::byte>> buffers;
  std::vector<Ort::Value> inputs;
};

/// Shapes of all outputs for a run on zeros, the free first dimension set to `batch_size`; the engine's words
/// when it fails.
Result<std::vector<std::vector<std::int64_t>>> probe(Ort::Session& session, const Runtime& runtime,
                                                     const StageSpec& declared, std::int64_t batch_size) {
  Probe call;
  for (const TensorSpec& input : declared.inputs) {
    TensorSpec whole = input;
    if (!whole.shape.empty() && whole.shape[0] < 0) whole.shape[0] = batch_size;
    call.input_names.push_back(input.name.c_str());
    // One byte more: a tensor without elements still needs an address.
    call.buffers.emplace_back(whole.size_per_job() + 1);
    call.inputs.push_back(Ort::Value::CreateTensor(runtime.memory_info, call.buffers.back().data(),
                                                   whole.size_per_job(), whole.shape.data(),
                                                   whole.shape.size(), element_type_of(whole.type)));
  }
  for (const TensorSpec& output : declared.outputs) call.output_names.push_back(output.name.c_str());
  try {
    std::vector<Ort::Value> outputs =
        session.Run(Ort::RunOptions{nullptr}, call.input_names.data(), call.inputs.data(), call.inputs.size(),
                    call.output_names.data(), call.output_names.size());
    std::vector<std::vector<std::int64_t>> shapes;
    for (const Ort::Value& output : outputs) shapes.push_back(output.GetTensorTypeAndShapeInfo().GetShape());
    return shapes;
  } catch (const Ort::Exception& exception) {
    return Error{ErrorCode::kInternal, exception.what()};
  }
}

bool begins_with(const std::vector<std::int64_t>& shape, std::int64_t length) {
  return !shape.empty() && shape[0] == length;
}

void drop_first(TensorSpec& spec) { spec.shape.erase(spec.shape.begin()); }

/// Decides what the batch dimension is by running the graph on zeros: declarations lie. Exporters declare a
/// free batch over a graph with a fixed one inside, or leave out the shapes of outputs. A batch of two that
/// gives two of each output proves that the batch is free; anything else is served one job a call.
Result<StageSpec> settle_batch_dimension(Ort::Session& session, const Runtime& runtime, StageSpec spec) {
  bool all_free = true;
  bool all_lead_with_one_or_free = true;
  for (const TensorSpec& input : spec.inputs) {
    for (std::size_t i = 1; i < input.shape.size(); ++i) {
      if (input.shape[i] < 0) {
        return invalid_argument(
            "input '" + input.name + "' leaves dimension " + std::to_string(i) + " of " +
            text_of(input.shape) +
            " free; only the first, the batch, may be: export the graph with the other sizes fixed");
      }
    }
    all_free = all_free && begins_with(input.shape, -1);
    all_lead_with_one_or_free =
        all_lead_with_one_or_free && (begins_with(input.shape, -1) || begins_with(input.shape, 1));
  }
  if (all_free && !spec.inputs.empty()) {
    if (const auto shapes = probe(session, runtime, spec, 2)) {
      const bool two_of_each = std::all_of(shapes->begin(), shapes->end(),
                                           [](const auto& shape) { return begins_with(shape, 2); });
      if (two_of_each) {
        for (std::size_t i = 0; i < spec.outputs.size(); ++i) spec.outputs[i].shape = (*shapes)[i];
        for (TensorSpec& input : spec.inputs) drop_first(input);
        for (TensorSpec& output : spec.outputs) drop_first(output);
        spec.batch_is_free = spec.has_batch_dimension = true;
        return spec;
      }
    }
  }
  const auto shapes = probe(session, runtime, spec, 1);
  if (!shapes) return invalid_argument("the graph cannot be run on zeros: " + shapes.error().message);
  for (std::size_t i = 0; i < spec.outputs.size(); ++i) {
    TensorSpec& output = spec.outputs[i];
    for (std::size_t k = 1; k < output.shape.size() && output.shape.size() == (*shapes)[i].size(); ++k) {
      // Free behind a fixed input: the size depends on what is in the input, so no buffer can be sized for
      // it. A run on zeros cannot tell this from a shape that was merely not inferred; both are taken as
      // found, and a run that then disagrees fails with the engine's words.
      if (output.shape[k] < 0 && (*shapes)[i][k] == 0) {
        return invalid_argument("output '" + output.name + "' leaves dimension " + std::to_string(k) +
                                " of " + text_of(output.shape) +
                                " free and it depends on the input's contents");
      }
    }
    output.shape = (*shapes)[i];
  }
  spec.batch_is_free = false;
  spec.has_batch_dimension =
      all_lead_with_one_or_free && !spec.inputs.empty() &&
      std::all_of(shapes->begin(), shapes->end(), [](const auto& shape) { return begins_with(shape, 1); });
  for (TensorSpec& input : spec.inputs) {
    if (begins_with(input.shape, -1)) input.shape[0] = 1;
    if (spec.has_batch_dimension) drop_first(input);
  }
  if (spec.has_batch_dimension) {
    for (TensorSpec& output : spec.outputs) drop_first(output);
  }
  return spec;
}

Ort::SessionOptions session_options() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
  options.AddConfigEntry("session.intra_op.allow_spinning", "0");
  options.AddConfigEntry("session.inter_op.allow_spinning", "0");
  options.AddConfigEntry("session.use_env_allocators", "1");
  // Weights stay for good: in the arena they would break it up, on the heap they do not.
  options.AddConfigEntry("session.use_device_allocator_for_initializers", "1");
  return options;
}

struct Graph {
  Ort::Session session{nullptr};
  StageSpec spec;
};

Result<Graph> open_graph(Runtime& runtime, const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    return not_found(file + ": expected an ONNX file, found no such file");
  }
  try {
    Graph graph;
    graph.session = Ort::Session(runtime.env, file.c_str(), session_options());
    Ort::AllocatorWithDefaultOptions allocator;
    for (std::size_t i = 0; i < graph.session.GetInputCount(); ++i) {
      Result<TensorSpec> spec = declared_spec(graph.session.GetInputNameAllocated(i, allocator).get(),
                                              "input", graph.session.GetInputTypeInfo(i));
      if (!spec) return Error{spec.error().code, file + ": " + spec.error().message};
      graph.spec.inputs.push_back(std::move(*spec));
    }
    for (std::size_t i = 0; i < graph.session.GetOutputCount(); ++i) {
      Result<TensorSpec> spec = declared_spec(graph.session.GetOutputNameAllocated(i, allocator).get(),
                                              "output", graph.session.GetOutputTypeInfo(i));
      if (!spec) return Error{spec.error().code, file + ": " + spec.error().message};
      graph.spec.outputs.push_back(std::move(*spec));
    }
    Result<StageSpec> settled = settle_batch_dimension(graph.session, runtime, std::move(graph.spec));
    if (!settled) return Error{settled.error().code, file + ": " + settled.error().message};
    graph.spec = std::move(*settled);
    return graph;
  } catch (const std::exception& exception) {
    return invalid_argument(
        file + ": expected an ONNX graph that the engine can load; it says: " + exception.what());
  }
}

// --------------------------------------------------------------------------------------------------
// Running.

/// Memory of one tensor for a whole batch. Zeroed, so that warming runs on defined numbers.
class BatchBuffer {
 public:
  explicit BatchBuffer(std::size_t size) {
    // calloc leaves large blocks to the system's zero page until they are written; alignment by hand.
    memory_.reset(static_cast<std::byte*>(std::calloc(size + kAlignment, 1)));
    if (!memory_) throw std::bad_alloc();  // becomes an error in load()
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    start_ = memory_.get() + (kAlignment - address % kAlignment);
  }
  std::byte* start() const noexcept { return start_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::byte* start_ = nullptr;
};

class OrtRunner final : public StageRunner {
 public:
  OrtRunner(std::shared_ptr<Runtime> runtime, Graph graph, std::string file, std::size_t batch_size_max,
            bool bind_once)
      : runtime_(std::move(runtime)),
        spec_(std::move(graph.spec)),
        file_(std::move(file)),
        session_(std::move(graph.session)),
        batch_size_max_(batch_size_max),
        bind_once_(bind_once) {
    for (const TensorSpec& input : spec_.inputs) add_tensor(input, inputs_);
    for (const TensorSpec& output : spec_.outputs) add_tensor(output, outputs_);
    for (std::size_t batch_size = 1; batch_size <= batch_size_max_; ++batch_size) {
      bindings_.push_back(make_binding(batch_size));
    }
    single_ = make_binding(1);
  }

  const StageSpec& spec() const noexcept override { return spec_; }

  JobBytes input(std::size_t input, std::size_t job) override {
    LAXITY_CHECK(job < batch_size_max_);
    Tensor& tensor = inputs_.at(input);
    return {tensor.buffer.start() + job * tensor.size_per_job, tensor.size_per_job};
  }

  void bind_single_input(std::size_t input, ConstJobBytes bytes) override {
    Tensor& tensor = inputs_.at(input);
    LAXITY_CHECK(bytes.size() == tensor.size_per_job);
    LAXITY_CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % element_size(tensor.type) == 0);
    // The engine does not write to inputs; its interface only lacks the word.
    bind_input(single_, input, const_cast<std::byte*>(bytes.data()), 1);
    tensor.is_bound_outside = true;
    single_is_bound_ = true;
  }

  void unbind_single_inputs() override {
    if (single_is_bound_) bind_batch_buffers_again();
  }

  Status run(std::size_t batch_size) override {
    LAXITY_CHECK(batch_size >= 1 && batch_size <= batch_size_max_);
    LAXITY_CHECK(!single_is_bound_ || batch_size == 1);
    {
      const std::lock_guard lock(mutex_);
      is_running_ = true;
      was_terminated_ = false;
      run_options_.UnsetTerminate();
    }
    OrtStatus* status = nullptr;
    if (bind_once_) {
      Ort::IoBinding& binding = single_is_bound_ ? single_ : bindings_[batch_size - 1];
      status = Ort::GetApi().RunWithBinding(session_, run_options_, binding);
    } else {
      status = run_unbound(batch_size);
    }
    bool was_terminated = false;
    {
      const std::lock_guard lock(mutex_);
      is_running_ = false;
      was_terminated = was_terminated_;
    }
    unbind_single_inputs();
    if (status == nullptr) return Unit{};
    std::string words = words_of(status);
    if (was_terminated) return Error{ErrorCode::kUnavailable, file_ + ": the run was terminated"};
    return Error{ErrorCode::kInternal, file_ + ": " + std::move(words)};
  }

  ConstJobBytes output(std::size_t output, std::size_t job) const override {
    LAXITY_CHECK(job < batch_size_max_);
    const Tensor& tensor = outputs_.at(output);
    return {tensor.buffer.start() + job * tensor.size_per_job, tensor.size_per_job};
  }

  void terminate() noexcept override {
    // Under the lock that run() takes at both ends: the flag is set only while a run goes on, and the next
    // run clears it before it starts, so a late call can never stop a later run.
    const std::lock_guard lock(mutex_);
    if (!is_running_) return;
    was_terminated_ = true;
    OrtStatus* status = Ort::GetApi().RunOptionsSetTerminate(run_options_);
    if (status != nullptr) Ort::GetApi().ReleaseStatus(status);
  }

  /// Runs each batch size twice, largest first: the first run of a size lays out its memory, the second uses
  /// it.
  Status warm() {
    for (std::size_t batch_size = batch_size_max_; batch_size >= 1; --batch_size) {
      for (int round = 0; round < 2; ++round) {
        if (Status status = run(batch_size); !status) {
          return Error{status.error().code, status.error().message + " (while warming batch size " +
                                                std::to_string(batch_size) + ")"};
        }
      }
    }
    return Unit{};
  }

 private:
  struct Tensor {
    std::string name;
    DataType type;
    std::vector<std::int64_t> shape;  // as the graph wants it, batch dimension included
    std::size_t size_per_job;
    BatchBuffer buffer;
    bool is_bound_outside = false;
  };

  void add_tensor(const TensorSpec& spec, std::vector<Tensor>& tensors) {
    std::vector<std::int64_t> shape = spec.shape;
    if (spec_.has_batch_dimension) shape.insert(shape.begin(), 1);
    tensors.push_back({spec.name, spec.type, std::move(shape), spec.size_per_job(),
                       BatchBuffer(spec.size_per_job() * batch_size_max_)});
  }

  Ort::Value value_over(const Tensor& tensor, std::byte* bytes, std::size_t batch_size) {
    std::vector<std::int64_t> shape = tensor.shape;
    if (spec_.batch_is_free) shape[0] = static_cast<std::int64_t>(batch_size);
    return Ort::Value::CreateTensor(runtime_->memory_info, bytes, tensor.size_per_job * batch_size,
                                    shape.data(), shape.size(), element_type_of(tensor.type));
  }

  void bind_input(Ort::IoBinding& binding, std::size_t input, std::byte* bytes, std::size_t batch_size) {
    const Tensor& tensor = inputs_[input];
    binding.BindInput(tensor.name.c_str(), value_over(tensor, bytes, batch_size));
  }

  Ort::IoBinding make_binding(std::size_t batch_size) {
    Ort::IoBinding binding(session_);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      bind_input(binding, i, inputs_[i].buffer.start(), batch_size);
    }
    for (Tensor& output : outputs_) {
      binding.BindOutput(output.name.c_str(), value_over(output, output.buffer.start(), batch_size));
    }
    return binding;
  }

  /// The same run without what was prepared for it.
  OrtStatus* run_unbound(std::size_t batch_size) {
    LAXITY_CHECK(!single_is_bound_);
    std::vector<const char*> input_names, output_names;
    std::vector<Ort::Value> inputs, outputs;
    for (const Tensor& tensor : inputs_) {
      input_names.push_back(tensor.name.c_str());
      inputs.push_back(value_over(tensor, tensor.buffer.start(), batch_size));
    }
    for (const Tensor& tensor : outputs_) {
      output_names.push_back(tensor.name.c_str());
      outputs.push_back(value_over(tensor, tensor.buffer.start(), batch_size));
    }
    return Ort::GetApi().Run(session_, run_options_, input_names.data(),
                             reinterpret_cast<const OrtValue* const*>(inputs.data()), inputs.size(),
                             output_names.data(), output_names.size(),
                             reinterpret_cast<OrtValue**>(outputs.data()));
  }

  void bind_batch_buffers_again() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].is_bound_outside) continue;
      // Only a mark: the binding is written anew before it is used again, unless another input is bound
      // alone.
      inputs_[i].is_bound_outside = false;
      if (inputs_.size() > 1) bind_input(single_, i, inputs_[i].buffer.start(), 1);
    }
    single_is_bound_ = false;
  }

  std::shared_ptr<Runtime> runtime_;  // see Runtime
  StageSpec spec_;
  std::string file_;
  Ort::Session session_;
  std::size_t batch_size_max_;
  bool bind_once_;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<Ort::IoBinding> bindings_;  // index: batch size - 1
  Ort::IoBinding single_{nullptr};        // batch of one whose inputs may lie outside
  bool single_is_bound_ = false;
  Ort::RunOptions run_options_;
  std::mutex mutex_;
  bool is_running_ = false;      // guarded by mutex_
  bool was_terminated_ = false;  // guarded by mutex_
};

class OrtEngine final : public Engine {
 public:
  explicit OrtEngine(std::shared_ptr<Runtime> runtime)
      : runtime_(std::move(runtime)), version_("onnxruntime " + runtime_->library.version) {}

  std::string_view version() const noexcept override { return version_; }
  bool is_emulated() const noexcept override { return false; }

  Result<StageSpec> inspect(const std::string& file) override {
    Result<Graph> graph = open_graph(*runtime_, file);
    if (!graph) return graph.error();
    return std::move(graph->spec);
  }

  Result<std::unique_ptr<StageRunner>> load(const std::string& file, const RunnerOptions& options) override {
    LAXITY_CHECK(options.batch_size_max >= 1);
    Result<Graph> graph = open_graph(*runtime_, file);
    if (!graph) return graph.error();
    try {
      const std::size_t batch_size_max = graph->spec.batch_is_free ? options.batch_size_max : 1;
      auto runner =
          std::make_unique<OrtRunner>(runtime_, std::move(*graph), file, batch_size_max, options.bind_once);
      if (options.warm) {
        if (Status status = runner->warm(); !status) return status.error();
      }
      return std::unique_ptr<StageRunner>(std::move(runner));
    } catch (const std::exception& exception) {
      return Error{ErrorCode::kInternal, file + ": " + exception.what()};
    }
  }

 private:
  std::shared_ptr<Runtime> runtime_;  // see Runtime
  std::string version_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_ort_engine(const std::string& library_path) {
  Result<std::shared_ptr<Runtime>> runtime = open_runtime(library_path);
  if (!runtime) return runtime.error();
  return std::unique_ptr<Engine>(std::make_unique<OrtEngine>(std::move(*runtime)));
}

}  // namespace laxity
