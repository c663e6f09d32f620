#include "load/infer_codec.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "load/json_fields.h"
#include "load/stream_codec.h"

namespace laxity {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kStreamWidth = kStreamNameMax + 2;  // in quotes; JSON lets spaces follow
constexpr std::size_t kFrameWidth = 10;                   // digits of 2^32 - 1
constexpr std::string_view kFrameKey = ",\"frame\":";
constexpr std::size_t kDeadlineWidth = 17;  // 10 digits of milliseconds (115 days), a point, 6 digits

/// At most what a batch or a network can hold.
std::uint32_t small_count_of(const Json& value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(count_of(value), 1U << 20));
}

bool read_tensors(const Json& list, std::vector<RemoteTensor>& tensors) {
  if (!list.is_array()) return false;
  for (const Json& item : list) {
    RemoteTensor tensor{text_of(member(item, "name")), text_of(member(item, "datatype")), {}};
    const Json& shape = member(item, "shape");
    if (tensor.name.empty() || tensor.datatype.empty() || !shape.is_array()) return false;
    for (const Json& size : shape) {
      if (!size.is_number_integer()) return false;
      tensor.shape.push_back(size.get<std::int64_t>());
    }
    tensors.push_back(std::move(tensor));
  }
  return true;
}

/// The shape of a batch of one, or none when a dimension behind the first is free.
std::optional<std::vector<std::int64_t>> single_shape(const RemoteTensor& tensor) {
  std::vector<std::int64_t> shape = tensor.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
  }
  return shape;
}

template <typename T>
void append_random(std::vector<std::byte>& bytes, std::size_t count, Rng& rng) {
  for (std::size_t i = 0; i < count; ++i) {
    T value{};
    if constexpr (std::is_same_v<T, bool>) {
      value = rng.chance(1, 2);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(2 * rng.unit() - 1);
    } else {
      value = static_cast<T>(rng.uniform(0, 99));
    }
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), begin, begin + sizeof value);
  }
}

bool append_random(std::vector<std::byte>& bytes, std::string_view type, std::size_t count, Rng& rng) {
  if (type == "FP32") return append_random<float>(bytes, count, rng), true;
  if (type == "FP64") return append_random<double>(bytes, count, rng), true;
  if (type == "INT8" || type == "UINT8") return append_random<std::uint8_t>(bytes, count, rng), true;
  if (type == "INT16" || type == "UINT16") return append_random<std::uint16_t>(bytes, count, rng), true;
  if (type == "INT32" || type == "UINT32") return append_random<std::uint32_t>(bytes, count, rng), true;
  if (type == "INT64" || type == "UINT64") return append_random<std::uint64_t>(bytes, count, rng), true;
  if (type == "BOOL") return append_random<bool>(bytes, count, rng), true;
  return false;
}

std::size_t element_count(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

std::size_t size_of_type(std::string_view type) {
  if (type == "FP64" || type == "INT64" || type == "UINT64") return 8;
  if (type == "FP32" || type == "INT32" || type == "UINT32") return 4;
  if (type == "FP16" || type == "INT16" || type == "UINT16") return 2;
  return 1;
}

Json binary_tensor(const RemoteTensor& tensor, std::string datatype, std::vector<std::int64_t> shape,
                   std::size_t size) {
  return {{"name", tensor.name},
          {"datatype", std::move(datatype)},
          {"shape", std::move(shape)},
          {"parameters", {{"binary_data_size", size}}}};
}

/// Values of one output, from JSON or from its place in the binary part.
template <typename T>
std::vector<T> values_of(const Json& output, std::string_view bytes) {
  std::vector<T> values;
  const Json& data = member(output, "data");
  if (data.is_array()) {
    const Json flat = data.flatten();  // nested arrays are allowed on the wire
    for (const Json& value : flat) {
      if (value.is_number()) values.push_back(value.get<T>());
    }
  } else {
    values.resize(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  }
  return values;
}

std::optional<std::uint32_t> class_of(const Json& output, std::string_view bytes) {
  const std::string datatype = text_of(member(output, "datatype"));
  if (text_of(member(output, "name")) == "class") {
    std::int64_t found = -1;
    if (datatype == "INT64" || datatype == "UINT64" || member(output, "data").is_array()) {
      const auto values = values_of<std::int64_t>(output, bytes);
      if (!values.empty()) found = values[0];
    } else if (datatype == "INT32" || datatype == "UINT32") {
      const auto values = values_of<std::int32_t>(output, bytes);
      if (!values.empty()) found = values[0];
    }
    if (found >= 0) return static_cast<std::uint32_t>(found);
    return std::nullopt;
  }
  if (datatype != "FP32") return std::nullopt;
  const auto values = values_of<float>(output, bytes);
  if (values.size() < 2) return std::nullopt;
  return static_cast<std::uint32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// False when the outputs do not describe the binary part.
bool read_outputs(const Json& outputs, std::string_view binary, InferAnswer& answer) {
  if (!outputs.is_array()) return false;
  bool has_class = false;
  for (const Json& output : outputs) {
    std::string_view bytes;
    const Json& size = member(member(output, "parameters"), "binary_data_size");
    if (size.is_number_unsigned()) {
      if (size.get<std::uint64_t>() > binary.size()) return false;
      bytes = binary.substr(0, size.get<std::size_t>());
      binary.remove_prefix(bytes.size());
    }
    const bool is_class = text_of(member(output, "name")) == "class";
    if (!is_class && answer.answered_class) continue;
    const std::optional<std::uint32_t> found = class_of(output, bytes);
    if (found && !has_class) answer.answered_class = found;
    has_class = has_class || (is_class && found);
  }
  return binary.empty();
}

/// The request up to what is filled in when it is sent: body, label and the JSON without its parameters.
struct Begun {
  PreparedRequest request;
  std::string json;
};
Result<Begun> begin_request(const RemoteModel& model, const SampleSet& set, const Sample& sample) {
  Begun begun;
  PreparedRequest& request = begun.request;
  request.label = sample.label;
  Json inputs = Json::array();
  if (set.is_encoded) {
    if (model.inputs.size() != 1) {
      return invalid_argument("model '" + model.name + "': expected one input for pictures, found " +
                              std::to_string(model.inputs.size()));
    }
    const auto length = static_cast<std::uint32_t>(sample.bytes.size());
    const auto* begin = reinterpret_cast<const std::byte*>(&length);
    request.body.assign(begin, begin + sizeof length);
    request.body.insert(request.body.end(), sample.bytes.begin(), sample.bytes.end());
    inputs.push_back(binary_tensor(model.inputs[0], "BYTES", {1}, request.body.size()));
  } else {
    request.body = sample.bytes;
    for (const RemoteTensor& input : model.inputs) {
      const auto shape = single_shape(input);
      LAXITY_CHECK(shape.has_value());
      inputs.push_back(
          binary_tensor(input, input.datatype, *shape, element_count(*shape) * size_of_type(input.datatype)));
    }
  }
  // A client that wants to know what it sees asks for the class alone; probabilities nobody reads cost both
  // sides.
  const bool has_class = std::any_of(model.outputs.begin(), model.outputs.end(),
                                     [](const RemoteTensor& output) { return output.name == "class"; });
  begun.json = "{\"inputs\":" + inputs.dump();
  if (has_class) begun.json += R"(,"outputs":[{"name":"class"}])";
  begun.json += R"(,"parameters":{"binary_data_output":true)";
  return begun;
}

/// `field_at`: offset in `json` of what is filled in later. Returns its offset in the finished head.
std::size_t finish_request(const RemoteModel& model, std::string_view authority, const std::string& json,
                           std::size_t field_at, PreparedRequest& request) {
  std::string head = "POST /v2/models/" + model.name + "/infer HTTP/1.1\r\nHost: " + std::string(authority) +
                     "\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: " +
                     std::to_string(json.size()) +
                     "\r\nContent-Length: " + std::to_string(json.size() + request.body.size()) + "\r\n\r\n";
  const std::size_t at = head.size() + field_at;
  request.head = std::move(head) + json;
  return at;
}

}  // namespace

Result<RemoteModel> read_model_metadata(std::string_view json) {
  const Json document = parse_json(json);
  RemoteModel model;
  model.name = text_of(member(document, "name"));
  if (model.name.empty() || !read_tensors(member(document, "inputs"), model.inputs) || model.inputs.empty() ||
      !read_tensors(member(document, "outputs"), model.outputs)) {
    return invalid_argument("model metadata: expected name, inputs and outputs, found '" +
                            std::string(json.substr(0, 200)) + "'");
  }
  return model;
}

Result<SampleSet> random_samples(const RemoteModel& model, std::size_t count, Rng rng) {
  SampleSet set;
  set.name = "random";
  for (std::size_t i = 0; i < count; ++i) {
    Sample sample;
    for (const RemoteTensor& input : model.inputs) {
      const auto shape = single_shape(input);
      if (!shape)
        return invalid_argument("model '" + model.name + "': input '" + input.name +
                                "' has a free dimension behind the first: no random form");
      if (!append_random(sample.bytes, input.datatype, element_count(*shape), rng)) {
        return invalid_argument("model '" + model.name + "': input '" + input.name + "' is " +
                                input.datatype + ", which has no random form");
      }
    }
    set.samples.push_back(std::move(sample));
  }
  return set;
}

// What is filled in later comes last in a hand-written tail, so that it has a place that is known.
Result<PreparedRequest> prepare_request(const RemoteModel& model, std::string_view authority,
                                        const SampleSet& set, const Sample& sample, JobKind kind,
                                        bool has_deadline) {
  Result<Begun> begun = begin_request(model, set, sample);
  if (!begun) return begun.error();
  std::string json = std::move(begun->json) + ",\"kind\":\"" + name(kind) + "\"";
  if (has_deadline) json += ",\"deadline_ms\":";
  const std::size_t field_at = json.size();
  if (has_deadline) json.append(kDeadlineWidth, ' ');
  json += "}}";
  PreparedRequest& request = begun->request;
  const std::size_t at = finish_request(model, authority, json, field_at, request);
  if (has_deadline) {
    request.deadline_at = at;
    write_deadline(request.head, at, 1s);
  }
  return std::move(request);
}

Result<PreparedRequest> prepare_frame(const RemoteModel& model, std::string_view authority,
                                      const SampleSet& set, const Sample& sample) {
  Result<Begun> begun = begin_request(model, set, sample);
  if (!begun) return begun.error();
  std::string json = std::move(begun->json) + ",\"stream\":";
  const std::size_t field_at = json.size();
  json.append(kStreamWidth, ' ');
  json += kFrameKey;
  json.append(kFrameWidth, ' ');
  json += "}}";
  PreparedRequest& request = begun->request;
  request.frame_at = finish_request(model, authority, json, field_at, request);
  return std::move(request);
}

void write_frame(std::string& head, std::size_t at, std::string_view stream, std::uint32_t frame) {
  LAXITY_CHECK(stream.size() <= kStreamNameMax);
  LAXITY_CHECK(at + kStreamWidth + kFrameKey.size() + kFrameWidth <= head.size());
  const std::string quoted = "\"" + std::string(stream) + "\"";
  const auto put = [&head](std::size_t place, std::string_view text, std::size_t width) {
    head.replace(place, text.size(), text);
    head.replace(place + text.size(), width - text.size(), width - text.size(), ' ');
  };
  put(at, quoted, kStreamWidth);
  put(at + kStreamWidth + kFrameKey.size(), std::to_string(frame), kFrameWidth);
}

void write_deadline(std::string& head, std::size_t at, Duration left) {
  LAXITY_CHECK(at + kDeadlineWidth <= head.size());
  // Nothing is left of a deadline that has passed; zero and less would be a wrong parameter, so say the
  // least.
  std::int64_t value = std::max<std::int64_t>(left.count(), 1'000);
  std::size_t place = kDeadlineWidth;
  for (int digit = 0; digit < 6; ++digit, value /= 10)
    head[at + --place] = static_cast<char>('0' + value % 10);
  head[at + --place] = '.';
  do {
    head[at + --place] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0 && place > 0);
  while (place > 0) head[at + --place] = ' ';
}

InferAnswer read_infer_answer(int status, std::string_view json, std::string_view binary) {
  InferAnswer answer;
  const Json document = parse_json(json);
  if (status != 200) {
    answer.error = text_of(member(document, "error"));
    answer.reason = reason_named(text_of(member(document, "reason")));
    return answer;
  }
  const Json& parameters = member(document, "parameters");
  const std::string outcome = text_of(member(parameters, "outcome"));
  if (outcome == name(Outcome::kOnTime)) answer.outcome = Outcome::kOnTime;
  if (outcome == name(Outcome::kLate)) answer.outcome = Outcome::kLate;
  const Json& exit = member(parameters, "exit");  // from 0
  answer.exit_count = exit.is_number_unsigned() ? small_count_of(exit) + 1 : 0;
  answer.batch_size = small_count_of(member(parameters, "batch_size"));
  answer.is_readable = read_outputs(member(document, "outputs"), binary, answer);
  return answer;
}

}  // namespace laxity
