// The trace file: a ring that the strand writes into without ever waiting, and a flusher that turns it into
// lines.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "trace/codec.h"
#include "trace/trace_sink.h"

namespace laxity {

struct JsonlSinkOptions {
  std::string path;
  std::uint64_t size_max = std::uint64_t{1024} * 1024 * 1024;  ///< Recording stops here; serving goes on.
  std::size_t ring_size = std::size_t{8} * 1024 * 1024;        ///< What may be recorded between two flushes.
  /// Write in `record` itself and never drop: for the simulator, where nothing waits in real time.
  bool synchronous = false;
};

struct TraceCounters {
  std::uint64_t recorded = 0;
  std::uint64_t dropped = 0;  ///< Ring full, size limit, or disk full.
  std::uint64_t size = 0;     ///< Bytes written.
  bool has_write_error = false;
};

/// One writer (whoever holds the strand) and one flusher at a time. When the ring is full, the disk is full
/// or the size limit is reached, it drops and counts, and never tells the writer.
class JsonlSink final : public TraceSink {
 public:
  /// Creates or replaces the file and writes the header. Errors: kFailedPrecondition: the file cannot be
  /// opened.
  static Result<std::unique_ptr<JsonlSink>> open(const JsonlSinkOptions& options, const TraceHeader& header);
  /// Closes.
  ~JsonlSink() override;

  void record(Instant now, const Event& event, const CommandBuffer& commands) noexcept override;
  void note_table(const LatencyTable& table) override;
  bool wants_flush() const noexcept override;
  void flush() override;

  /// Writes what is left and the end line. Nothing may be recorded or flushed meanwhile or afterwards.
  TraceCounters close();
  /// Any thread.
  TraceCounters counters() const noexcept;

 private:
  JsonlSink(const JsonlSinkOptions& options, const TraceHeader& header, int file);
  void write_entry(Instant at, const Event& event, std::span<const Command> commands);
  void write_out(std::size_t size_min);
  void stop(TraceEndReason reason) noexcept;
  void put(std::size_t& at, const void* bytes, std::size_t size) noexcept;
  void take(std::size_t& at, void* bytes, std::size_t size) const noexcept;
  void read_record(std::size_t& at);
  std::size_t free_size() const noexcept;

  const JsonlSinkOptions options_;
  const Catalog catalog_;
  std::vector<std::byte> ring_;       // its length is a power of two
  std::atomic<std::size_t> head_{0};  // bytes ever put; the writer's
  std::atomic<std::size_t> tail_{0};  // bytes ever taken; the flusher's

  TraceEncoder encoder_;
  std::string text_;               // encoded, not yet written
  std::vector<Command> commands_;  // of the record being encoded
  int file_ = -1;

  std::atomic<std::uint64_t> recorded_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> lost_in_between_{0};  // dropped while recording still went on
  std::atomic<std::uint64_t> size_{0};
  std::atomic<bool> is_stopped_{false};
  std::atomic<bool> has_write_error_{false};
  std::optional<TraceEndReason> stop_reason_;
};

}  // namespace laxity
