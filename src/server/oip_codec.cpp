// What a model looks like on the wire, and its answers as bytes.
#include "server/oip_codec.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "model/postprocess.h"
#include "server/json_writer.h"

namespace laxity {
namespace {

std::size_t element_count(std::span<const std::int64_t> shape) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count;
}

void append_shape(std::string& out, std::optional<std::int64_t> batch, std::span<const std::int64_t> shape) {
  out += '[';
  bool first = true;
  const auto append = [&](std::int64_t extent) {
    if (!first) out += ',';
    first = false;
    append_json_number(out, extent);
  };
  if (batch) append(*batch);
  for (const std::int64_t extent : shape) append(extent);
  out += ']';
}

void append_tensor_metadata(std::string& out, std::string_view tensor_name, DataType type,
                            std::optional<std::int64_t> batch, std::span<const std::int64_t> shape) {
  out += "{\"name\":";
  append_json_string(out, tensor_name);
  out += ",\"datatype\":\"";
  out += name(type);
  out += "\",\"shape\":";
  append_shape(out, batch, shape);
  out += '}';
}

template <typename T>
void append_elements(std::string& out, ConstJobBytes bytes) {
  for (std::size_t offset = 0; offset + sizeof(T) <= bytes.size(); offset += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    append_json_number(out, value);
    out += ',';
  }
}

/// The elements as JSON, each with a comma behind it.
void append_elements(std::string& out, DataType type, ConstJobBytes bytes) {
  switch (type) {
    case DataType::kBool:
      for (const std::byte b : bytes) out += b == std::byte{0} ? "false," : "true,";
      return;
    case DataType::kUint8:
      return append_elements<std::uint8_t>(out, bytes);
    case DataType::kUint16:
      return append_elements<std::uint16_t>(out, bytes);
    case DataType::kUint32:
      return append_elements<std::uint32_t>(out, bytes);
    case DataType::kUint64:
      return append_elements<std::uint64_t>(out, bytes);
    case DataType::kInt8:
      return append_elements<std::int8_t>(out, bytes);
    case DataType::kInt16:
      return append_elements<std::int16_t>(out, bytes);
    case DataType::kInt32:
      return append_elements<std::int32_t>(out, bytes);
    case DataType::kInt64:
      return append_elements<std::int64_t>(out, bytes);
    case DataType::kFp32:
      return append_elements<float>(out, bytes);
    case DataType::kFp64:
      return append_elements<double>(out, bytes);
    case DataType::kFp16:  // the decoder has refused to promise these in JSON
    case DataType::kBytes:
      break;
  }
  LAXITY_CHECK(false);
}

/// Values of one job that post-processing adds. Owned by the network thread, grows to the largest model.
struct Postprocessed {
  std::vector<float> logits;
  std::vector<float> probabilities;
  std::vector<std::int64_t> classes;

  void compute(const ModelCodec& codec, const SettleJob& settled, ConstJobBytes logit_bytes) {
    const PostprocessSpec& spec = codec.model().postprocess;
    const std::size_t count = logit_bytes.size() / sizeof(float);
    logits.resize(count);
    probabilities.resize(count);
    std::memcpy(logits.data(), logit_bytes.data(), count * sizeof(float));
    const std::size_t exit = settled.exit_count > 0 ? settled.exit_count - 1 : 0;
    const float temperature = exit < spec.temperature.size() ? spec.temperature[exit] : 1.0F;
    softmax(logits, temperature, probabilities);
    classes.resize(std::min<std::size_t>(spec.top, count));
    top_classes(probabilities, classes);
  }
};

std::string_view label_of(const LoadedModel& model, std::int64_t class_index) {
  const auto i = static_cast<std::size_t>(class_index);
  return i < model.labels.size() ? std::string_view(model.labels[i]) : std::string_view();
}

void append_bytes_element(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  char prefix[4];
  for (unsigned i = 0; i < 4; ++i) prefix[i] = static_cast<char>(size >> (8 * i) & 0xffU);  // little-endian
  out.append(prefix, 4);
  out += text;
}

/// Everything that encoding one output needs.
struct AnswerView {
  const ModelCodec& codec;
  std::span<const SettleJob> settled;
  std::span<const ConstJobBytes> outputs;
  Postprocessed& post;

  ConstJobBytes raw(std::size_t job, std::size_t output) const {
    return outputs[job * codec.model().outputs.size() + output];
  }
  void postprocess(std::size_t job) const {
    post.compute(codec, settled[job], raw(job, codec.model().postprocess.output));
  }

  /// Elements of all jobs as JSON, comma-separated.
  void append_json(std::string& out, const WireOutput& output) const {
    for (std::size_t job = 0; job < settled.size(); ++job) {
      if (output.source == WireOutput::Source::kModel) {
        append_elements(out, output.type, raw(job, output.index));
        continue;
      }
      postprocess(job);
      if (output.source == WireOutput::Source::kProbabilities) {
        for (const float p : post.probabilities) append_json_number(out, p), out += ',';
      } else if (output.source == WireOutput::Source::kClass) {
        for (const std::int64_t c : post.classes) append_json_number(out, c), out += ',';
      } else {
        for (const std::int64_t c : post.classes)
          append_json_string(out, label_of(codec.model(), c)), out += ',';
      }
    }
    if (out.back() == ',') out.pop_back();
  }

  void append_binary(std::string& out, const WireOutput& output) const {
    const auto append = [&out](const void* data, std::size_t size) {
      out.append(static_cast<const char*>(data), size);
    };
    for (std::size_t job = 0; job < settled.size(); ++job) {
      if (output.source == WireOutput::Source::kModel) {
        const ConstJobBytes bytes = raw(job, output.index);
        append(bytes.data(), bytes.size());
        continue;
      }
      postprocess(job);
      if (output.source == WireOutput::Source::kProbabilities) {
        append(post.probabilities.data(), post.probabilities.size() * sizeof(float));
      } else if (output.source == WireOutput::Source::kClass) {
        append(post.classes.data(), post.classes.size() * sizeof(std::int64_t));
      } else {
        for (const std::int64_t c : post.classes) append_bytes_element(out, label_of(codec.model(), c));
      }
    }
  }

  std::size_t binary_size(const WireOutput& output) const {
    if (output.source != WireOutput::Source::kLabel) {
      return settled.size() * element_count(output.shape) * element_size(output.type);
    }
    std::size_t size = 0;
    for (std::size_t job = 0; job < settled.size(); ++job) {
      postprocess(job);
      for (const std::int64_t c : post.classes) size += 4 + label_of(codec.model(), c).size();
    }
    return size;
  }
};

void append_milliseconds(std::string& out, std::string_view key, Duration value) {
  out += ",\"";
  out += key;
  out += "\":";
  append_json_milliseconds(out, value);
}

/// A value of one job plainly, of several as an array.
template <typename Append>
void append_per_job(std::string& out, std::string_view key, std::size_t job_count, const Append& append) {
  out += ",\"";
  out += key;
  out += "\":";
  if (job_count != 1) out += '[';
  for (std::size_t job = 0; job < job_count; ++job) {
    if (job > 0) out += ',';
    append(job);
  }
  if (job_count != 1) out += ']';
}

void append_parameters(std::string& out, const ModelCodec& codec, const InferRequest& request,
                       std::span<const SettleJob> settled) {
  Outcome worst = Outcome::kOnTime;
  Duration queue_time{}, execution_time{};
  std::uint32_t batch_size = 0;
  std::optional<Duration> slack;
  for (const SettleJob& job : settled) {
    if (job.outcome == Outcome::kLate) worst = Outcome::kLate;
    queue_time = std::max(queue_time, job.queue_time);
    execution_time = std::max(execution_time, job.execution_time);
    batch_size = std::max(batch_size, job.batch_size);
    if (job.slack) slack = std::min(slack.value_or(*job.slack), *job.slack);
  }
  out += ",\"parameters\":{\"outcome\":\"";
  out += name(worst);
  out += '"';
  // Jobs of one request may have been answered by different variants.
  const auto variant_of = [&](std::size_t job) { return settled[job].variant.value_or(request.variant); };
  const auto differs = [&](const SettleJob& job) {
    return job.variant.value_or(request.variant) != variant_of(0);
  };
  const bool is_mixed = std::any_of(settled.begin(), settled.end(), differs);
  const std::size_t variant_count = is_mixed ? settled.size() : 1;
  append_per_job(out, "variant", variant_count, [&](std::size_t job) {
    append_json_string(out, codec.model().variants[variant_of(job)].name);
  });
  append_per_job(out, "exit", settled.size(), [&](std::size_t job) {
    append_json_number(out, settled[job].exit_count > 0 ? settled[job].exit_count - 1 : 0U);
  });
  append_per_job(out, "exits", variant_count,
                 [&](std::size_t job) { append_json_number(out, codec.exit_count(variant_of(job))); });
  if (codec.model().postprocess.kind != PostprocessSpec::Kind::kNone) {
    append_per_job(out, "confidence", settled.size(), [&](std::size_t job) {
      append_json_number(out, static_cast<float>(settled[job].confidence) / 65535.0F);
    });
  }
  append_milliseconds(out, "queue_ms", queue_time);
  append_milliseconds(out, "execution_ms", execution_time);
  out += ",\"batch_size\":";
  append_json_number(out, batch_size);
  if (slack) append_milliseconds(out, "slack_ms", *slack);
  if (!request.stream.empty()) append_frame(out, request.stream, settled.front());
  out += '}';
}

}  // namespace

void append_frame(std::string& out, std::string_view stream, const SettleJob& settled) {
  out += ",\"stream\":";
  append_json_string(out, stream);
  if (!settled.frame) return;
  out += ",\"frame\":";
  append_json_number(out, *settled.frame);
}

ModelCodec::ModelCodec(const LoadedModel& model) : model_(&model) {
  LAXITY_CHECK(!model.variants.empty());
  variant_ = static_cast<std::uint32_t>(model.variants.size() - 1);
  const LoadedVariant& variant = model.variants[variant_];
  LAXITY_CHECK(!variant.stages.empty());
  batch_is_free_ = variant.stages.front().spec.batch_is_free;
  has_batch_dimension_ = variant.stages.front().spec.has_batch_dimension;

  for (std::size_t i = 0; i < model.outputs.size(); ++i) {
    const TensorSpec& spec = model.outputs[i];
    outputs_.push_back({spec.name, spec.type, spec.shape, WireOutput::Source::kModel, i});
  }
  const PostprocessSpec& post = model.postprocess;
  if (post.kind == PostprocessSpec::Kind::kNone || model.outputs.at(post.output).type != DataType::kFp32)
    return;
  const std::vector<std::int64_t> logits_shape = model.outputs[post.output].shape;
  std::vector<std::int64_t> class_shape = {
      static_cast<std::int64_t>(std::min<std::size_t>(post.top, element_count(logits_shape)))};
  // Post-processing adds outputs, it never replaces them: a model's own tensor of that name wins.
  const auto add = [&](const char* name, DataType type, std::vector<std::int64_t> shape,
                       WireOutput::Source source) {
    for (const WireOutput& output : outputs_) {
      if (output.name == name) return;
    }
    outputs_.push_back({name, type, std::move(shape), source, 0});
  };
  add("probabilities", DataType::kFp32, logits_shape, WireOutput::Source::kProbabilities);
  add("class", DataType::kInt64, class_shape, WireOutput::Source::kClass);
  if (!model.labels.empty()) add("label", DataType::kBytes, class_shape, WireOutput::Source::kLabel);
}

std::string ModelCodec::metadata_json() const {
  std::string out = "{\"name\":";
  append_json_string(out, model_->name);
  out += ",\"versions\":[\"1\"],\"platform\":\"onnxruntime_onnx\",\"inputs\":[";
  for (const TensorSpec& input : model_->inputs) {
    if (&input != &model_->inputs.front()) out += ',';
    append_tensor_metadata(out, input.name, input.type, announced_batch(), input.shape);
  }
  out += "],\"outputs\":[";
  for (const WireOutput& output : outputs_) {
    if (&output != &outputs_.front()) out += ',';
    append_tensor_metadata(out, output.name, output.type, announced_batch(), output.shape);
  }
  out += "]}";
  return out;
}

void encode_answer(const ModelCodec& codec, const InferRequest& request, std::span<const SettleJob> settled,
                   std::span<const ConstJobBytes> outputs, ReplyBody& reply) {
  LAXITY_CHECK(settled.size() == request.batch_size);
  LAXITY_CHECK(outputs.size() == settled.size() * codec.model().outputs.size());
  thread_local Postprocessed post;  // the network thread's; per reply it would allocate
  const AnswerView view{codec, settled, outputs, post};
  std::string& out = reply.bytes;
  out.clear();
  reply.json_size.reset();

  out += "{\"model_name\":";
  append_json_string(out, codec.model().name);
  out += ",\"model_version\":\"1\"";
  if (!request.id.empty()) {
    out += ",\"id\":";
    append_json_string(out, request.id);
  }
  append_parameters(out, codec, request, settled);
  out += ",\"outputs\":[";
  bool has_binary = false;
  for (const InferRequest::Wanted& wanted : request.wanted) {
    const WireOutput& output = codec.outputs()[wanted.output];
    if (&wanted != request.wanted.data()) out += ',';
    out += "{\"name\":";
    append_json_string(out, output.name);
    out += ",\"datatype\":\"";
    out += name(output.type);
    out += "\",\"shape\":";
    append_shape(out,
                 codec.has_batch_dimension() ? std::optional<std::int64_t>(settled.size()) : std::nullopt,
                 output.shape);
    if (wanted.binary) {
      has_binary = true;
      out += ",\"parameters\":{\"binary_data_size\":";
      append_json_number(out, view.binary_size(output));
      out += "}}";
    } else {
      out += ",\"data\":[";
      view.append_json(out, output);
      out += "]}";
    }
  }
  out += "]}";
  if (!has_binary) return;
  reply.json_size = out.size();
  for (const InferRequest::Wanted& wanted : request.wanted) {
    if (wanted.binary) view.append_binary(out, codec.outputs()[wanted.output]);
  }
}

}  // namespace laxity
