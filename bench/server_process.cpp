#include "bench/server_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

namespace laxity::bench {

Result<ServerProcess> ServerProcess::start(const ServerFlags& flags) {
  ServerProcess server;
  std::vector<std::string> words = {flags.binary, "serve",      "--models",    flags.models,
                                    "--policy",   flags.policy, "--http-port", "0"};
  if (!flags.config_text.empty()) {
    char path[] = "/tmp/laxity-bench-XXXXXX";
    const int file = ::mkstemp(path);
    if (file < 0) return failed_precondition(std::string("mkstemp: ") + std::strerror(errno));
    ::close(file);
    server.config_path_ = path;
    std::ofstream(path) << flags.config_text;
    words.insert(words.end(), {"--config", path});
  }
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0)
    return failed_precondition(std::string("pipe: ") + std::strerror(errno));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  server.pid_ = ::fork();
  if (server.pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a benchmark that is interrupted leaves no server behind
    cpu_set_t everywhere;                // not where the benchmark keeps its own thread
    std::memset(&everywhere, 0xff, sizeof everywhere);
    ::sched_setaffinity(0, sizeof everywhere, &everywhere);
    ::dup2(pipe_ends[1], STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    std::fprintf(stderr, "%s: %s\n", arguments[0], std::strerror(errno));
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  if (server.pid_ < 0) {
    ::close(pipe_ends[0]);
    return failed_precondition(std::string("fork: ") + std::strerror(errno));
  }
  FILE* words_of_server = ::fdopen(pipe_ends[0], "r");
  constexpr std::string_view kReady = "ready on ";
  std::string all;
  char line[4096];
  while (server.url_.empty() && std::fgets(line, sizeof line, words_of_server) != nullptr) {
    std::string text = line;
    all += text;
    if (const std::size_t at = text.find(kReady); at != std::string::npos) {
      const std::size_t begin = at + kReady.size();
      server.url_ = text.substr(begin, text.find_first_of(" \r\n", begin) - begin);
    }
  }
  if (server.url_.empty()) {
    std::fclose(words_of_server);
    return failed_precondition(flags.binary + " serve ended before it was ready; its words:\n" + all);
  }
  // The pipe stays open: a server that says more later must not die of it. It is small talk that fits the
  // pipe.
  return server;
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      url_(std::move(other.url_)),
      config_path_(std::exchange(other.config_path_, {})) {}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  if (!config_path_.empty()) ::unlink(config_path_.c_str());
}

std::uint64_t ServerProcess::resident_bytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (file >> word) {
    if (word != "VmRSS:") continue;
    std::uint64_t kib = 0;
    file >> kib;
    return kib * 1024;
  }
  return 0;
}

std::string default_binary(const char* argv0) {
  const std::string path = argv0;
  const std::size_t slash = path.rfind('/');
  return (slash == std::string::npos ? std::string(".") : path.substr(0, slash)) + "/laxity";
}

}  // namespace laxity::bench
