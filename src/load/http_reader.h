// Reads HTTP/1.1 answers out of a byte stream, piece by piece.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace laxity {

/// One answer at a time: bytes go into space(), commit() says what they came to. Bodies with Content-Length,
/// and bodies that end with the connection; interim (1xx) answers are skipped; chunked bodies are refused as
/// broken, because an inference server knows the length of what it sends. Owned by one thread.
class HttpReader {
 public:
  enum class State { kNeedsMore, kComplete, kBroken };

  /// Heads longer than this are broken; so are bodies over `body_size_max`.
  static constexpr std::size_t kHeadSizeMax = 64 * 1024;
  explicit HttpReader(std::size_t body_size_max = 256 * 1024 * 1024) : body_size_max_(body_size_max) {}

  /// Where the next bytes of the connection belong; never empty.
  std::span<char> space();
  State commit(std::size_t size);
  /// The connection has ended: completes a body without a length, breaks every other unfinished answer.
  State finish();
  /// Forgets the complete answer; bytes that came behind it begin the next one.
  State next();
  /// Forgets everything, for a new connection.
  void reset();

  // Of the answer that is complete; views hold until next(), reset() or commit().
  int status() const noexcept { return status_; }
  std::string_view body() const noexcept;
  /// The part of the body that is JSON: all of it, or what Inference-Header-Content-Length says.
  std::string_view json() const noexcept;
  /// What follows the JSON.
  std::string_view binary() const noexcept { return body().substr(json().size()); }
  bool keeps_open() const noexcept { return keeps_open_; }

  /// True when bytes of an answer (or of one not asked for) have come and no complete answer is held.
  bool has_partial() const noexcept { return filled_ > 0; }
  /// Why the answer is broken.
  const char* problem() const noexcept { return problem_; }

 private:
  State advance();
  State broken(const char* why);
  bool read_head(std::string_view head);
  bool read_header(std::string_view name, std::string_view value);

  std::size_t body_size_max_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;    // bytes held
  std::size_t searched_ = 0;  // bytes known not to hold the end of the head
  bool has_head_ = false;
  std::size_t body_begin_ = 0;
  std::size_t body_size_ = 0;
  bool has_length_ = false;
  bool is_complete_ = false;
  int status_ = 0;
  std::size_t json_size_ = 0;
  bool has_json_size_ = false;
  bool keeps_open_ = true;
  const char* problem_ = "";
};

}  // namespace laxity
