// Inference requests to bytes and answers back (Open Inference Protocol V2 over HTTP, binary tensors).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "core/job.h"
#include "core/outcome.h"
#include "load/sample_set.h"

namespace laxity {

struct RemoteTensor {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> shape;  ///< As announced: a free dimension is -1.
};

/// A model as the server's metadata describes it.
struct RemoteModel {
  std::string name;
  std::vector<RemoteTensor> inputs;
  std::vector<RemoteTensor> outputs;
};

/// Reads the body of GET /v2/models/<model>. Errors: kInvalidArgument: not such a description.
Result<RemoteModel> read_model_metadata(std::string_view json);

/// `count` random tensors for the model's inputs: batch of one, floats in [-1, 1), integers in [0, 100).
/// Errors: kInvalidArgument: a free dimension behind the first, or a type that has no random form (BYTES,
/// FP16).
Result<SampleSet> random_samples(const RemoteModel& model, std::size_t count, Rng rng);

/// A request made beforehand. Only the deadline, or stream and frame, are filled in when it is sent, in
/// place: they have a fixed width.
struct PreparedRequest {
  std::string head;                        ///< HTTP head and JSON.
  std::vector<std::byte> body;             ///< Binary part.
  std::optional<std::size_t> deadline_at;  ///< Offset of the deadline's digits in `head`.
  std::optional<std::size_t> frame_at;     ///< Offset of the fields of stream and frame in `head`.
  std::optional<std::uint32_t> label;
};

/// Errors: kInvalidArgument: pictures for a model with more than one input.
Result<PreparedRequest> prepare_request(const RemoteModel& model, std::string_view authority,
                                        const SampleSet& set, const Sample& sample, JobKind kind,
                                        bool has_deadline);

/// A frame of a stream, whose contract says kind and deadline. Errors: as above.
Result<PreparedRequest> prepare_frame(const RemoteModel& model, std::string_view authority,
                                      const SampleSet& set, const Sample& sample);

/// Writes which frame it is into a copy of the prepared head. Precondition: a name that read_stream_reply let
/// through.
void write_frame(std::string& head, std::size_t at, std::string_view stream, std::uint32_t frame);

/// Writes what is left of the deadline, at least 1 us, into a copy of the prepared head.
void write_deadline(std::string& head, std::size_t at, Duration left);

/// What an answer says. Absent parameters stay absent, so that other servers can be loaded too.
struct InferAnswer {
  bool is_readable = false;        ///< False: a 200 whose body is not an inference answer.
  std::optional<Outcome> outcome;  ///< The server's own verdict.
  Reason reason = Reason::kNone;   ///< Of a refusal or failure.
  std::string error;               ///< Its words.
  std::uint32_t exit_count = 0;
  std::uint32_t batch_size = 0;
  std::optional<std::uint32_t>
      answered_class;  ///< Output `class`, else the arg-max of the first float output.
};
InferAnswer read_infer_answer(int status, std::string_view json, std::string_view binary);

}  // namespace laxity
