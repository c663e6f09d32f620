// Request bytes to tensors.
//
// Two passes over the inputs. The first reads what the client claims (names, types, shapes, sizes), checks it
// against the model and adds up how much memory the tensors need that cannot be used in place. Then that
// memory is reserved once, so that no span moves, and the second pass fills it. All sums and products of
// numbers that a client sent are checked for overflow before they are used.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/nearest.h"
#include "server/base64.h"
#include "server/json_reading.h"
#include "server/oip_codec.h"

namespace laxity {
namespace {

namespace dom = simdjson::dom;

/// Ranks beyond this are no tensor that we serve; bounds recursion over nested arrays.
constexpr std::size_t kRankMax = 16;
/// A document above this leaves a parser behind that is too large to keep.
constexpr std::size_t kParserKeptMax = std::size_t{1} << 20;
/// A day. Longer deadlines are mistakes of unit, and would overflow sums further down.
constexpr std::int64_t kDeadlineMaxMs = 86'400'000;

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ",";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

/// Where a complaint about an input is. Built only when there is one.
std::string place_of(const TensorSpec& spec) { return "input '" + spec.name + "'"; }

/// What a client said about one input.
struct FoundInput {
  bool is_present = false;
  bool is_encoded = false;
  std::string_view type_name;
  std::array<std::int64_t, kRankMax> extents{};
  std::size_t rank = 0;
  bool has_data = false;
  dom::element data;
  std::optional<std::uint64_t> binary_size;
  std::size_t binary_offset = 0;  // into the body
  std::size_t size = 0;           // of the whole tensor, all jobs; 0 for encoded pictures
  bool needs_copy = false;        // binary, but not aligned
  std::span<const std::int64_t> shape() const { return {extents.data(), rank}; }
};

bool add_to(std::size_t& sum, std::size_t value) { return !__builtin_add_overflow(sum, value, &sum); }

constexpr std::size_t aligned_up(std::size_t size) {
  return (size + AlignedBuffer::kAlignment - 1) / AlignedBuffer::kAlignment * AlignedBuffer::kAlignment;
}

bool is_aligned(const std::byte* data, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(data) % alignment == 0;
}

/// Writes JSON numbers one after the other into memory of a known size.
struct ElementSink {
  DataType type;
  std::byte* out;
  std::byte* end;
  std::string_view input_name;

  template <typename T>
  Status put(T value) {
    if (static_cast<std::size_t>(end - out) < sizeof(T)) return too_many();
    std::memcpy(out, &value, sizeof(T));
    out += sizeof(T);
    return Unit{};
  }
  Error too_many() const {
    return invalid_argument("input " + quoted(input_name) + ": data holds more elements than its shape says");
  }
  Error bad(dom::element element) const {
    return invalid_argument("input " + quoted(input_name) + ": expected elements of " + name(type) +
                            ", found " + kind_of(element) + describe_number(element));
  }
  static std::string describe_number(dom::element element) {
    std::int64_t integer = 0;
    if (element.get(integer) == simdjson::SUCCESS) return " " + std::to_string(integer);
    std::uint64_t large = 0;
    if (element.get(large) == simdjson::SUCCESS) return " " + std::to_string(large);
    double real = 0;
    if (element.get(real) == simdjson::SUCCESS) return " " + std::to_string(real);
    return "";
  }

  template <typename T>
  Status put_integer(dom::element element) {
    if constexpr (std::is_signed_v<T>) {
      std::int64_t value = 0;
      if (element.get(value) != simdjson::SUCCESS || value < std::numeric_limits<T>::min() ||
          value > std::numeric_limits<T>::max()) {
        return bad(element);
      }
      return put(static_cast<T>(value));
    } else {
      std::uint64_t value = 0;
      if (element.get(value) != simdjson::SUCCESS || value > std::numeric_limits<T>::max())
        return bad(element);
      return put(static_cast<T>(value));
    }
  }

  Status put_element(dom::element element) {
    switch (type) {
      case DataType::kBool: {
        bool value = false;
        if (element.get(value) != simdjson::SUCCESS) return bad(element);
        return put(static_cast<std::uint8_t>(value ? 1 : 0));
      }
      case DataType::kUint8:
        return put_integer<std::uint8_t>(element);
      case DataType::kUint16:
        return put_integer<std::uint16_t>(element);
      case DataType::kUint32:
        return put_integer<std::uint32_t>(element);
      case DataType::kUint64:
        return put_integer<std::uint64_t>(element);
      case DataType::kInt8:
        return put_integer<std::int8_t>(element);
      case DataType::kInt16:
        return put_integer<std::int16_t>(element);
      case DataType::kInt32:
        return put_integer<std::int32_t>(element);
      case DataType::kInt64:
        return put_integer<std::int64_t>(element);
      case DataType::kFp32: {
        double value = 0;
        if (element.get(value) != simdjson::SUCCESS) return bad(element);
        if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) return bad(element);
        return put(static_cast<float>(value));
      }
      case DataType::kFp64: {
        double value = 0;
        if (element.get(value) != simdjson::SUCCESS) return bad(element);
        return put(value);
      }
      case DataType::kFp16:
      case DataType::kBytes:
        break;
    }
    return bad(element);
  }

  /// `array` is either the whole tensor, flat, or nested exactly as `shape` says.
  Status put_array(dom::array array, std::span<const std::int64_t> shape, bool may_be_flat) {
    const std::int64_t extent = shape.front();
    std::int64_t count = 0;
    bool is_flat = false;
    for (const dom::element element : array) {
      const bool is_array = element.type() == dom::element_type::ARRAY;
      if (count == 0) is_flat = may_be_flat && !is_array;
      if (is_array) {
        if (is_flat || shape.size() == 1) {
          return invalid_argument(
              "input " + quoted(input_name) +
              ": expected data flat or nested as its shape says, found an array too many");
        }
        const dom::array nested = element.get_array().value_unsafe();
        if (Status status = put_array(nested, shape.subspan(1), false); !status) return status;
      } else {
        if (!is_flat && shape.size() != 1) {
          return invalid_argument("input " + quoted(input_name) +
                                  ": expected data flat or nested as its shape says, found " +
                                  kind_of(element) + " in place of an array");
        }
        if (Status status = put_element(element); !status) return status;
      }
      ++count;
    }
    if (!is_flat && count != extent) {
      return invalid_argument("input " + quoted(input_name) + ": expected " + std::to_string(extent) +
                              " entries along a dimension of its data, found " + std::to_string(count));
    }
    return Unit{};
  }
};

/// A span of time in `unit`, positive and at most a day, rounded down: against the one who waits longer, us.
Result<Duration> duration_of(dom::element element, std::string_view where, double unit_ns) {
  double value = 0;
  if (element.get(value) != simdjson::SUCCESS) return expected(where, "a positive number", element);
  const double limit = static_cast<double>(kDeadlineMaxMs) * 1e6 / unit_ns;
  const double ns = value * unit_ns;
  if (!std::isfinite(value) || ns < 1.0 || value > limit) {
    return invalid_argument(std::string(where) + ": expected a number above 0 and at most " +
                            std::to_string(static_cast<std::int64_t>(limit)) + " (a day), found " +
                            std::to_string(value));
  }
  return Duration(static_cast<std::int64_t>(ns));
}

}  // namespace

struct InferDecoder::State {
  DecodeLimits limits;
  std::unique_ptr<dom::parser> parser = std::make_unique<dom::parser>();
  std::vector<FoundInput> found;

  // Of the request being decoded.
  const ModelCodec* codec = nullptr;
  std::span<const std::byte> body;
  std::size_t json_size = 0;
  std::size_t binary_cursor = 0;
  bool all_binary = false;
  std::optional<dom::array> outputs;

  Status decode(std::optional<std::uint64_t> header_length, AlignedBuffer& tensors, InferRequest& request);
  Status read_document(InferRequest& request);
  Status read_parameters(dom::element element, InferRequest& request);
  Status read_inputs(dom::array inputs, InferRequest& request);
  Status read_input(dom::element element);
  Status read_input_parameters(dom::element element, const TensorSpec& spec, FoundInput& input);
  Status read_shape(dom::element element, const TensorSpec& spec, FoundInput& input);
  Result<std::size_t> check_input(std::size_t i, bool& needs_preprocess);
  Result<std::size_t> tensor_memory();
  Status fill(std::size_t i, InferRequest& request, std::byte*& arena);
  Status fill_pictures(const FoundInput& input, InferRequest& request, std::byte*& arena);
  Status read_outputs(InferRequest& request);
  Status read_output(dom::element element, InferRequest& request);
};

InferDecoder::InferDecoder(DecodeLimits limits) : state_(std::make_unique<State>()) {
  state_->limits = limits;
}
InferDecoder::~InferDecoder() = default;

Status InferDecoder::decode(const ModelCodec& codec, std::span<const std::byte> body,
                            std::optional<std::uint64_t> header_length, AlignedBuffer& tensors,
                            InferRequest& request) {
  State& state = *state_;
  state.codec = &codec;
  state.body = body;
  Status status = state.decode(header_length, tensors, request);
  // What a large document left behind is not worth keeping.
  if (state.json_size > kParserKeptMax) state.parser = std::make_unique<dom::parser>();
  return status;
}

Status InferDecoder::State::decode(std::optional<std::uint64_t> header_length, AlignedBuffer& tensors,
                                   InferRequest& request) {
  json_size = body.size();
  if (header_length) {
    if (*header_length > body.size()) {
      return invalid_argument("Inference-Header-Content-Length: expected at most the body's " +
                              std::to_string(body.size()) + " bytes, found " +
                              std::to_string(*header_length));
    }
    json_size = static_cast<std::size_t>(*header_length);
  }
  if (json_size > limits.json_size_max) {
    const std::size_t found_size = json_size;
    json_size = 0;
    return Error{ErrorCode::kTooLarge, "JSON part of the body: expected at most " +
                                           std::to_string(limits.json_size_max) + " bytes, found " +
                                           std::to_string(found_size) + "; send large tensors in binary"};
  }
  request.id.clear();
  request.batch_size = 1;
  request.needs_preprocess = false;
  request.kind = JobKind::kBestEffort;
  request.relative_deadline.reset();
  request.priority = 0;
  request.stream.clear();
  request.frame.reset();
  request.variant = codec->variant();
  request.wanted.clear();
  request.inputs.clear();
  binary_cursor = json_size;
  all_binary = false;
  outputs.reset();
  found.assign(codec->model().inputs.size(), FoundInput{});

  if (Status status = read_document(request); !status) return status;
  if (binary_cursor != body.size()) {
    return invalid_argument("binary data: expected " + std::to_string(binary_cursor - json_size) +
                            " bytes as the inputs' binary_data_size say, found " +
                            std::to_string(body.size() - json_size));
  }
  if (Status status = read_outputs(request); !status) return status;

  Result<std::size_t> memory = tensor_memory();
  if (!memory) return memory.error();
  if (!tensors.reserve(*memory)) {
    return Error{ErrorCode::kResourceExhausted,
                 "no memory left for " + std::to_string(*memory) + " bytes of tensors; retry later"};
  }
  request.inputs.resize(request.batch_size * found.size());
  std::byte* arena = tensors.data();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (Status status = fill(i, request, arena); !status) return status;
  }
  return Unit{};
}

Status InferDecoder::State::read_document(InferRequest& request) {
  // The body's own padding stands behind the JSON, so it is parsed in place.
  static_assert(kBodyPadding >= simdjson::SIMDJSON_PADDING);
  const auto top =
      object_of(*parser, reinterpret_cast<const char*>(body.data()), json_size, "JSON part of the body");
  if (!top) return top.error();

  std::optional<dom::array> inputs;
  for (const auto [key, value] : *top) {
    if (key == "inputs") {
      dom::array array;
      if (value.get(array) != simdjson::SUCCESS) return expected("inputs", "an array", value);
      inputs = array;
    } else if (key == "parameters") {
      if (Status status = read_parameters(value, request); !status) return status;
    } else if (key == "id") {
      Result<std::string_view> id = string_of(value, "id");
      if (!id) return id.error();
      request.id = *id;
    } else if (key == "outputs") {
      dom::array array;
      if (value.get(array) != simdjson::SUCCESS) return expected("outputs", "an array", value);
      outputs = array;
    } else {
      return unknown_key("body", key, {"id", "parameters", "inputs", "outputs"});
    }
  }
  if (!inputs) return invalid_argument("body: expected the key 'inputs', found none");
  return read_inputs(*inputs, request);
}

Status InferDecoder::State::read_parameters(dom::element element, InferRequest& request) {
  dom::object parameters;
  if (element.get(parameters) != simdjson::SUCCESS) return expected("parameters", "an object", element);
  std::optional<JobKind> kind;
  std::string_view own_timing;  // a parameter that a frame of a stream must leave to its contract
  for (const auto [key, value] : parameters) {
    if (key == "deadline_ms" || key == "timeout" || key == "kind" || key == "priority") own_timing = key;
    if (key == "deadline_ms" || key == "timeout") {
      const bool is_timeout = key == "timeout";
      Result<Duration> deadline =
          duration_of(value, is_timeout ? "parameter 'timeout' (microseconds)" : "parameter 'deadline_ms'",
                      is_timeout ? 1e3 : 1e6);
      if (!deadline) return deadline.error();
      request.relative_deadline = std::min(request.relative_deadline.value_or(*deadline), *deadline);
    } else if (key == "priority") {
      std::uint64_t priority = 0;
      if (value.get(priority) != simdjson::SUCCESS || priority > std::numeric_limits<std::uint32_t>::max()) {
        return expected("parameter 'priority'", "an integer from 0 to 4294967295", value);
      }
      request.priority = static_cast<std::uint32_t>(priority);
    } else if (key == "kind") {
      Result<std::string_view> text = string_of(value, "parameter 'kind'");
      if (!text) return text.error();
      for (const JobKind candidate : {JobKind::kFirm, JobKind::kSoft, JobKind::kBestEffort}) {
        if (*text == name(candidate)) kind = candidate;
      }
      if (!kind) {
        return invalid_argument("parameter 'kind': expected firm, soft or best-effort, found " +
                                quoted(*text));
      }
    } else if (key == "binary_data_output") {
      if (value.get(all_binary) != simdjson::SUCCESS) {
        return expected("parameter 'binary_data_output'", "a boolean", value);
      }
    } else if (key == "stream") {
      Result<std::string_view> text = string_of(value, "parameter 'stream'");
      if (!text) return text.error();
      if (text->empty()) return invalid_argument("parameter 'stream': expected a stream's name, found ''");
      request.stream = *text;
    } else if (key == "frame") {
      std::uint64_t frame = 0;
      if (value.get(frame) != simdjson::SUCCESS || frame > std::numeric_limits<std::uint32_t>::max()) {
        return expected("parameter 'frame'", "an integer from 0 to 4294967295", value);
      }
      request.frame = static_cast<std::uint32_t>(frame);
    } else {
      return unknown_key(
          "parameters", key,
          {"deadline_ms", "timeout", "priority", "kind", "binary_data_output", "stream", "frame"});
    }
  }
  if (request.frame && request.stream.empty()) {
    return invalid_argument("parameter 'frame': expected 'stream' beside it, found none");
  }
  if (!request.stream.empty()) {
    // Silence would let a client believe in a deadline that nobody keeps.
    if (!own_timing.empty()) {
      return invalid_argument("parameter " + quoted(own_timing) +
                              ": expected none beside 'stream', whose contract says it; found one");
    }
    return Unit{};
  }
  if (kind && *kind != JobKind::kBestEffort && !request.relative_deadline) {
    return invalid_argument(std::string("parameter 'kind': expected a deadline_ms beside '") + name(*kind) +
                            "', found none");
  }
  request.kind = kind.value_or(request.relative_deadline ? JobKind::kFirm : JobKind::kBestEffort);
  return Unit{};
}

Status InferDecoder::State::read_inputs(dom::array inputs, InferRequest& request) {
  for (const dom::element element : inputs) {
    if (Status status = read_input(element); !status) return status;
  }
  const LoadedModel& model = codec->model();
  std::optional<std::size_t> batch_size;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string& input_name = model.inputs[i].name;
    if (!found[i].is_present) {
      return invalid_argument("inputs: expected '" + input_name + "' among them, found none; model '" +
                              model.name + "' takes " + std::to_string(found.size()) + " input(s)");
    }
    Result<std::size_t> batch = check_input(i, request.needs_preprocess);
    if (!batch) return batch.error();
    if (batch_size && *batch_size != *batch) {
      return invalid_argument("input '" + input_name + "': expected a batch of " +
                              std::to_string(*batch_size) + " as in input '" + model.inputs[0].name +
                              "', found " + std::to_string(*batch));
    }
    batch_size = *batch;
  }
  request.batch_size = batch_size.value_or(1);
  return Unit{};
}

Status InferDecoder::State::read_input(dom::element element) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return expected("inputs", "objects", element);
  const LoadedModel& model = codec->model();
  dom::element name_element;
  if (object["name"].get(name_element) != simdjson::SUCCESS) {
    return invalid_argument("inputs: expected the key 'name' in each of them, found one without");
  }
  Result<std::string_view> input_name = string_of(name_element, "input's name");
  if (!input_name) return input_name.error();
  const auto spec = std::find_if(model.inputs.begin(), model.inputs.end(),
                                 [&](const TensorSpec& candidate) { return candidate.name == *input_name; });
  if (spec == model.inputs.end()) {
    std::vector<std::string_view> known;
    for (const TensorSpec& candidate : model.inputs) known.push_back(candidate.name);
    return invalid_argument("inputs: model '" + model.name + "' has no input " + quoted(*input_name) +
                            "; expected '" + nearest(*input_name, known) + "'");
  }
  FoundInput& input = found[static_cast<std::size_t>(spec - model.inputs.begin())];
  if (input.is_present) return invalid_argument(place_of(*spec) + ": expected once, found twice");
  input.is_present = true;

  for (const auto [key, value] : object) {
    if (key == "name") continue;
    if (key == "datatype") {
      if (value.get(input.type_name) != simdjson::SUCCESS) {
        return expected(place_of(*spec) + ": datatype", "a string", value);
      }
    } else if (key == "shape") {
      if (Status status = read_shape(value, *spec, input); !status) return status;
    } else if (key == "data") {
      input.has_data = true;
      input.data = value;
    } else if (key == "parameters") {
      if (Status status = read_input_parameters(value, *spec, input); !status) return status;
    } else {
      return unknown_key(place_of(*spec), key, {"name", "datatype", "shape", "data", "parameters"});
    }
  }
  if (input.has_data == input.binary_size.has_value()) {
    return invalid_argument(place_of(*spec) +
                            ": expected either 'data' or the parameter 'binary_data_size', found " +
                            (input.has_data ? "both" : "neither"));
  }
  if (!input.binary_size) return Unit{};
  if (*input.binary_size > body.size() - binary_cursor) {
    return invalid_argument(
        place_of(*spec) + ": binary_data_size: expected at most the " +
        std::to_string(body.size() - binary_cursor) + " bytes left behind the JSON part, found " +
        std::to_string(*input.binary_size) +
        (json_size == body.size() ? "; is Inference-Header-Content-Length missing?" : ""));
  }
  input.binary_offset = binary_cursor;
  binary_cursor += static_cast<std::size_t>(*input.binary_size);
  return Unit{};
}

Status InferDecoder::State::read_input_parameters(dom::element element, const TensorSpec& spec,
                                                  FoundInput& input) {
  dom::object parameters;
  if (element.get(parameters) != simdjson::SUCCESS) {
    return expected(place_of(spec) + ": parameters", "an object", element);
  }
  for (const auto [key, value] : parameters) {
    if (key != "binary_data_size") return unknown_key(place_of(spec), key, {"binary_data_size"});
    std::uint64_t size = 0;
    if (value.get(size) != simdjson::SUCCESS) {
      return expected(place_of(spec) + ": binary_data_size", "an integer from 0", value);
    }
    input.binary_size = size;
  }
  return Unit{};
}

Status InferDecoder::State::read_shape(dom::element element, const TensorSpec& spec, FoundInput& input) {
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) {
    return expected(place_of(spec) + ": shape", "an array", element);
  }
  input.rank = 0;
  for (const dom::element extent : array) {
    if (input.rank == kRankMax) {
      return invalid_argument(place_of(spec) + ": shape: expected at most " + std::to_string(kRankMax) +
                              " dimensions, found more");
    }
    std::int64_t value = 0;
    if (extent.get(value) != simdjson::SUCCESS) {
      return expected(place_of(spec) + ": shape", "integers", extent);
    }
    input.extents[input.rank++] = value;
  }
  return Unit{};
}

/// Checks type, shape and size of input `i` against the model and returns its batch size.
Result<std::size_t> InferDecoder::State::check_input(std::size_t i, bool& needs_preprocess) {
  FoundInput& input = found[i];
  const LoadedModel& model = codec->model();
  const TensorSpec& spec = model.inputs[i];
  const bool takes_pictures = i == 0 && model.preprocess.has_value();
  if (takes_pictures && input.type_name == "BYTES") {
    const bool is_list = input.rank == 1 || (input.rank == 2 && input.extents[1] == 1);
    if (!is_list || input.extents[0] < 1) {
      return invalid_argument(place_of(spec) + ": expected shape [n] for n encoded pictures, found " +
                              shape_text(input.shape()));
    }
    input.is_encoded = needs_preprocess = true;
    const auto batch = static_cast<std::uint64_t>(input.extents[0]);
    if (!codec->batch_is_free() && batch != 1) {
      return invalid_argument(place_of(spec) + ": expected one picture a request, found " +
                              std::to_string(batch));
    }
    if (batch > limits.batch_size_max) {
      return invalid_argument(place_of(spec) + ": expected a batch of at most " +
                              std::to_string(limits.batch_size_max) + ", found " + std::to_string(batch));
    }
    return static_cast<std::size_t>(batch);
  }
  if (input.type_name != name(spec.type)) {
    return invalid_argument(place_of(spec) + ": expected datatype " + name(spec.type) +
                            (takes_pictures ? " (or BYTES for encoded pictures)" : "") + ", found " +
                            (input.type_name.empty() ? std::string("none") : quoted(input.type_name)));
  }
  std::size_t batch = 1;
  std::span<const std::int64_t> per_job = input.shape();
  const bool has_batch = codec->has_batch_dimension();
  const bool rank_fits = input.rank == spec.shape.size() + (has_batch ? 1 : 0);
  if (has_batch && rank_fits) per_job = per_job.subspan(1);
  if (!rank_fits || !std::equal(per_job.begin(), per_job.end(), spec.shape.begin(), spec.shape.end()) ||
      (has_batch && input.extents[0] < 1)) {
    std::string wanted = shape_text(spec.shape);
    if (has_batch) wanted = spec.shape.empty() ? "[batch]" : "[batch," + wanted.substr(1);
    return invalid_argument(place_of(spec) + ": expected shape " + wanted + ", found " +
                            shape_text(input.shape()));
  }
  if (has_batch && !codec->batch_is_free() && input.extents[0] != 1) {
    return invalid_argument(place_of(spec) + ": expected a batch of 1, for which the graph is made, found " +
                            std::to_string(input.extents[0]));
  }
  if (has_batch) {
    if (static_cast<std::uint64_t>(input.extents[0]) > limits.batch_size_max) {
      return invalid_argument(place_of(spec) + ": expected a batch of at most " +
                              std::to_string(limits.batch_size_max) + ", found " +
                              std::to_string(input.extents[0]));
    }
    batch = static_cast<std::size_t>(input.extents[0]);
  }
  if (__builtin_mul_overflow(batch, spec.size_per_job(), &input.size)) {
    return invalid_argument(place_of(spec) + ": shape " + shape_text(input.shape()) +
                            " is larger than memory");
  }
  if (input.binary_size && *input.binary_size != input.size) {
    return invalid_argument(place_of(spec) + ": binary_data_size: expected " + std::to_string(input.size) +
                            " bytes for " + name(spec.type) + " " + shape_text(input.shape()) + ", found " +
                            std::to_string(*input.binary_size));
  }
  if (input.has_data && spec.type == DataType::kFp16) {
    return invalid_argument(place_of(spec) + ": FP16 has no JSON form; send it in binary");
  }
  return batch;
}

/// Bytes of everything that cannot be used where the socket left it.
Result<std::size_t> InferDecoder::State::tensor_memory() {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    FoundInput& input = found[i];
    const TensorSpec& spec = codec->model().inputs[i];
    std::size_t size = 0;
    if (input.has_data) {
      dom::array data;
      if (input.data.get(data) != simdjson::SUCCESS) {
        return expected(place_of(spec) + ": data", "an array", input.data);
      }
      if (input.is_encoded) {
        for (const dom::element picture : data) {
          Result<std::string_view> text = string_of(picture, "encoded pictures: data");
          if (!text) return text.error();
          size += aligned_up(base64_decoded_size_max(text->size()));  // texts of one document: no overflow
        }
      } else {
        // An element takes two characters of JSON at least, so a shape that lies is caught before memory is
        // asked for.
        if (input.size / element_size(spec.type) > json_size) {
          return invalid_argument(place_of(spec) + ": data: expected " +
                                  std::to_string(input.size / element_size(spec.type)) +
                                  " elements, found fewer");
        }
        size = input.size;
      }
    } else if (!input.is_encoded && !is_aligned(body.data() + input.binary_offset, element_size(spec.type))) {
      input.needs_copy = true;
      size = input.size;
    }
    if (!add_to(sum, aligned_up(size))) return invalid_argument(place_of(spec) + ": larger than memory");
  }
  return sum;
}

Status InferDecoder::State::fill(std::size_t i, InferRequest& request, std::byte*& arena) {
  FoundInput& input = found[i];
  if (input.is_encoded) return fill_pictures(input, request, arena);
  const TensorSpec& spec = codec->model().inputs[i];
  const std::byte* tensor = body.data() + input.binary_offset;
  if (input.has_data) {
    ElementSink sink{spec.type, arena, arena + input.size, spec.name};
    const dom::array data = input.data.get_array().value_unsafe();
    std::array<std::int64_t, 1> scalar = {1};
    const std::span<const std::int64_t> shape =
        input.rank == 0 ? std::span<const std::int64_t>(scalar) : input.shape();
    if (Status status = sink.put_array(data, shape, true); !status) return status;
    if (sink.out != sink.end) {
      const std::size_t width = element_size(spec.type);
      return invalid_argument(
          "input '" + spec.name + "': data: expected " + std::to_string(input.size / width) +
          " elements for shape " + shape_text(input.shape()) + ", found " +
          std::to_string((input.size - static_cast<std::size_t>(sink.end - sink.out)) / width));
    }
    tensor = arena;
    arena += aligned_up(input.size);
  } else if (input.needs_copy) {
    std::memcpy(arena, tensor, input.size);
    tensor = arena;
    arena += aligned_up(input.size);
  }
  const std::size_t size_per_job = input.size / request.batch_size;
  for (std::size_t job = 0; job < request.batch_size; ++job) {
    request.inputs[job * found.size() + i] = {tensor + job * size_per_job, size_per_job};
  }
  return Unit{};
}

/// BYTES elements: four bytes of length, little-endian, then the bytes; in JSON a base64 string each.
Status InferDecoder::State::fill_pictures(const FoundInput& input, InferRequest& request, std::byte*& arena) {
  const std::string where = "input '" + codec->model().inputs[0].name + "'";
  const auto put = [&](std::size_t job, std::span<const std::byte> picture) -> Status {
    if (picture.empty()) {
      return invalid_argument(where + ": picture " + std::to_string(job) + ": expected bytes, found none");
    }
    request.inputs[job * found.size()] = picture;
    return Unit{};
  };
  if (!input.has_data) {
    std::span<const std::byte> rest =
        body.subspan(input.binary_offset, static_cast<std::size_t>(*input.binary_size));
    for (std::size_t job = 0; job < request.batch_size; ++job) {
      std::uint32_t length = 0;
      if (rest.size() >= 4) {
        for (unsigned b = 0; b < 4; ++b) length |= static_cast<std::uint32_t>(rest[b]) << (8 * b);
      }
      if (rest.size() < 4 || length > rest.size() - 4) {
        return invalid_argument(where + ": picture " + std::to_string(job) +
                                ": expected four bytes of length and that many more, found " +
                                std::to_string(rest.size()) + " bytes" +
                                (rest.size() < 4 ? "" : " and a length of " + std::to_string(length)));
      }
      if (Status status = put(job, rest.subspan(4, length)); !status) return status;
      rest = rest.subspan(4 + std::size_t{length});
    }
    if (!rest.empty()) {
      return invalid_argument(where + ": expected " + std::to_string(request.batch_size) +
                              " pictures as its shape says, found " + std::to_string(rest.size()) +
                              " bytes behind the last");
    }
    return Unit{};
  }
  std::size_t job = 0;
  const dom::array pictures = input.data.get_array().value_unsafe();
  for (const dom::element element : pictures) {
    if (job == request.batch_size) {
      return invalid_argument(where + ": expected " + std::to_string(job) +
                              " pictures as its shape says, found more");
    }
    const std::string_view text = element.get_string().value_unsafe();
    const std::size_t size_max = base64_decoded_size_max(text.size());
    const std::optional<std::size_t> size = decode_base64(text, {arena, size_max});
    if (!size) {
      return invalid_argument(where + ": picture " + std::to_string(job) +
                              ": expected base64 text, found other");
    }
    if (Status status = put(job, {arena, *size}); !status) return status;
    arena += aligned_up(size_max);
    ++job;
  }
  if (job != request.batch_size) {
    return invalid_argument(where + ": expected " + std::to_string(request.batch_size) +
                            " pictures as its shape says, found " + std::to_string(job));
  }
  return Unit{};
}

Status InferDecoder::State::read_outputs(InferRequest& request) {
  if (outputs) {
    for (const dom::element element : *outputs) {
      if (Status status = read_output(element, request); !status) return status;
    }
  }
  // No list, or an empty one: everything that the metadata announces.
  if (request.wanted.empty()) {
    for (std::uint32_t i = 0; i < codec->outputs().size(); ++i) request.wanted.push_back({i, all_binary});
  }
  for (const InferRequest::Wanted& wanted : request.wanted) {
    const WireOutput& output = codec->outputs()[wanted.output];
    if (output.type == DataType::kFp16 && !wanted.binary) {
      return invalid_argument("output '" + output.name +
                              "': FP16 has no JSON form; ask for it with the parameter 'binary_data'");
    }
  }
  return Unit{};
}

Status InferDecoder::State::read_output(dom::element element, InferRequest& request) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return expected("outputs", "objects", element);
  std::optional<std::uint32_t> index;
  bool is_binary = all_binary;
  for (const auto [key, value] : object) {
    if (key == "name") {
      Result<std::string_view> text = string_of(value, "output's name");
      if (!text) return text.error();
      const std::span<const WireOutput> known = codec->outputs();
      for (std::uint32_t i = 0; i < known.size(); ++i) {
        if (known[i].name == *text) index = i;
      }
      if (!index) {
        std::vector<std::string_view> names;
        for (const WireOutput& output : known) names.push_back(output.name);
        return invalid_argument("outputs: model '" + codec->model().name + "' has no output " +
                                quoted(*text) + "; did you mean '" + nearest(*text, names) + "'?");
      }
    } else if (key == "parameters") {
      dom::object parameters;
      if (value.get(parameters) != simdjson::SUCCESS)
        return expected("output's parameters", "an object", value);
      for (const auto [parameter, setting] : parameters) {
        if (parameter == "binary_data") {
          if (setting.get(is_binary) != simdjson::SUCCESS) {
            return expected("output's parameter 'binary_data'", "a boolean", setting);
          }
        } else if (parameter == "classification") {
          std::uint64_t count = 0;
          if (setting.get(count) != simdjson::SUCCESS || count != 0) {
            return invalid_argument(
                "output's parameter 'classification': not offered; ask for the outputs 'class', "
                "'probabilities' and 'label' of a model with post-processing");
          }
        } else {
          return unknown_key("output's parameters", parameter, {"binary_data", "classification"});
        }
      }
    } else {
      return unknown_key("outputs", key, {"name", "parameters"});
    }
  }
  if (!index) return invalid_argument("outputs: expected the key 'name' in each of them, found one without");
  for (const InferRequest::Wanted& wanted : request.wanted) {
    if (wanted.output == *index) {
      return invalid_argument("output '" + codec->outputs()[*index].name + "': expected once, found twice");
    }
  }
  request.wanted.push_back({*index, is_binary});
  return Unit{};
}

}  // namespace laxity
