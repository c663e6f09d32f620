// The Open Inference Protocol (V2): request bytes to tensors, answers to reply bytes. No sockets, no clocks.
//
// A body is JSON, optionally followed by binary tensors: then the header `Inference-Header-Content-Length`
// says where the JSON ends and `binary_data_size` how many of the following bytes belong to each input, in
// the order in which the JSON names them. Binary tensors are not copied: the job reads them where the socket
// left them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/command.h"
#include "core/job.h"
#include "model/repository.h"
#include "server/aligned_buffer.h"

namespace laxity {

/// A tensor that a reply may hold: the model's own outputs first, then what post-processing adds.
struct WireOutput {
  enum class Source : std::uint8_t { kModel, kProbabilities, kClass, kLabel };
  std::string name;
  DataType type = DataType::kFp32;
  std::vector<std::int64_t> shape;  ///< Without the batch dimension, if the graph has one.
  Source source = Source::kModel;
  std::size_t index = 0;  ///< Into LoadedModel::outputs, for kModel.
};

/// What one model looks like on the wire, prepared once. Immutable.
class ModelCodec {
 public:
  /// `model` must outlive this.
  explicit ModelCodec(const LoadedModel& model);

  const LoadedModel& model() const noexcept { return *model_; }
  std::span<const WireOutput> outputs() const noexcept { return outputs_; }
  /// False: a request is one job.
  bool batch_is_free() const noexcept { return batch_is_free_; }
  /// False: the graph has no batch dimension, shapes on the wire are its own.
  bool has_batch_dimension() const noexcept { return has_batch_dimension_; }
  /// What the metadata says of the batch: -1 free, 1 fixed; none.
  std::optional<std::int64_t> announced_batch() const noexcept {
    if (!has_batch_dimension_) return std::nullopt;
    return batch_is_free_ ? -1 : 1;
  }
  /// The variant that answers: the best one, until a policy chooses.
  std::uint32_t variant() const noexcept { return variant_; }
  /// Exits of the variant.
  std::uint32_t exit_count(std::uint32_t variant) const {
    return static_cast<std::uint32_t>(model_->variants.at(variant).stages.size());
  }

  /// The body of `GET /v2/models/<name>`.
  std::string metadata_json() const;

 private:
  const LoadedModel* model_;
  std::vector<WireOutput> outputs_;
  bool batch_is_free_ = true;
  bool has_batch_dimension_ = true;
  std::uint32_t variant_ = 0;
};

/// One decoded request. Reused: a warm one decodes without allocating.
struct InferRequest {
  struct Wanted {
    std::uint32_t output = 0;  ///< Index into ModelCodec::outputs.
    bool binary = false;
  };

  std::string id;
  std::size_t batch_size = 1;     ///< b: the request is b jobs.
  bool needs_preprocess = false;  ///< Input 0 is encoded pictures.
  JobKind kind = JobKind::kBestEffort;
  std::optional<Duration> relative_deadline;
  std::uint32_t priority = 0;
  std::string stream;                  ///< Name of the stream that this is a frame of; empty: none.
  std::optional<std::uint32_t> frame;  ///< As the client numbers it.
  std::uint32_t variant = 0;           ///< That answers: the codec's own, until a stream says otherwise.
  std::vector<Wanted> wanted;
  /// Input i of job j is inputs[j * input count + i]. Points into the body or into the decoder's tensor
  /// memory.
  std::vector<ConstJobBytes> inputs;
};

/// Bytes that must be readable behind the body given to decode().
inline constexpr std::size_t kBodyPadding = 64;

struct DecodeLimits {
  std::size_t json_size_max = std::size_t{16} << 20;
  std::size_t batch_size_max = 4096;
};

/// Owned by one thread.
class InferDecoder {
 public:
  explicit InferDecoder(DecodeLimits limits);
  ~InferDecoder();
  InferDecoder(const InferDecoder&) = delete;
  InferDecoder& operator=(const InferDecoder&) = delete;

  /// Decodes `body`, behind which kBodyPadding more bytes must be readable. `header_length` is the value of
  /// `Inference-Header-Content-Length`. What cannot be used in place (JSON tensors, base64 pictures, binary
  /// tensors that are not aligned for their type) goes to `tensors`. `request` is overwritten, its contents
  /// are unspecified after an error.
  /// Errors: kInvalidArgument, what was expected, what was found, where; kTooLarge (JSON over its limit);
  /// kResourceExhausted (no memory left in the budget of `tensors`). Whether a stream exists is not asked.
  Status decode(const ModelCodec& codec, std::span<const std::byte> body,
                std::optional<std::uint64_t> header_length, AlignedBuffer& tensors, InferRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The reply's body. `json_size` is set when binary tensors follow the JSON.
struct ReplyBody {
  std::string bytes;
  std::optional<std::size_t> json_size;
};

/// Appends ,"stream":…,"frame":… of a frame that has ended; a frame refused before it was numbered has no
/// number.
void append_frame(std::string& out, std::string_view stream, const SettleJob& settled);

/// Encodes an answered request (every outcome on time or late) into `reply`, which is overwritten.
/// `settled` has one entry per job; output o of job j is outputs[j * model output count + o].
void encode_answer(const ModelCodec& codec, const InferRequest& request, std::span<const SettleJob> settled,
                   std::span<const ConstJobBytes> outputs, ReplyBody& reply);

}  // namespace laxity
