// `laxity serve` as a child process, for benchmarks that measure the program as users run it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace laxity::bench {

struct ServerFlags {
  std::string binary;  ///< The laxity program.
  std::string models;
  std::string policy = "edf";
  std::string config_text;  ///< A laxity.toml of its own; empty: none.
};

/// Starts on a free port and waits until the server says ready (it may measure a profile first). Its own
/// words go to standard error, as they come. Stopped with SIGTERM when destroyed.
class ServerProcess {
 public:
  static Result<ServerProcess> start(const ServerFlags& flags);
  ~ServerProcess();
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ServerProcess& operator=(ServerProcess&&) = delete;

  const std::string& url() const noexcept { return url_; }
  pid_t pid() const noexcept { return pid_; }
  /// Resident memory now; zero when it cannot be read.
  std::uint64_t resident_bytes() const;

 private:
  ServerProcess() = default;

  pid_t pid_ = -1;
  std::string url_;
  std::string config_path_;
};

/// The program beside this one: "<folder of argv[0]>/laxity".
std::string default_binary(const char* argv0);

}  // namespace laxity::bench
