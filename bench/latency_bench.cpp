// What Laxity adds to one request: HTTP infer on one connection against the sum of a bare echo server's
// round trip and the engine's own run, all three in one run and on the same cores.
//
//   latency_bench [--laxity build/release/bin/laxity] [--model tests/data/models/small] [--rounds 80]
//
// Echo and engine alternate exchange by exchange, so that each finds the caches as the other leaves them: an
// echo in a loop of its own never pays for what a network's weights push out, and a server always does. Then
// the server has as many exchanges, and so on; while it waits it is stopped (SIGSTOP), for one that polls
// would take its core from the others.
// A wake-up of another core costs more than all the parsing, so the placement of threads decides the result:
// every placement of the table below is measured, sleeping and polling.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "base/check.h"
#include "bench/measure.h"
#include "bench/raw_engine.h"
#include "bench/server_process.h"
#include "load/http_connection.h"
#include "load/infer_codec.h"

namespace laxity::bench {
namespace {

constexpr int kTurns = 25;   // exchanges before the server, or echo and engine, have their turn again
constexpr int kWarmUps = 3;  // first ones of a turn, not counted: they find a core that slept or was stopped

struct Placement {
  const char* name;
  int client, network, executor;  // cores
  int inline_max_us;              // 0: the executor's thread runs every batch
  int spin_us;
  bool busy_poll;
  bool is_default;  // what the server does without a configuration; its result is held against what was asked
};

// Core 0 and core 1 of the smallest machine. The engine runs on the network core where batches run inline.
constexpr Placement kPlacements[] = {
    {"inline on the network thread, client on the other core", 1, 0, 1, 10'000, 50, false, true},
    {"inline on the network thread, client on the same core", 0, 0, 1, 10'000, 50, false, false},
    {"executor's thread on core 1, client with the network", 0, 0, 1, 0, 50, false, false},
    {"executor's thread on core 1, client there too", 1, 0, 1, 0, 0, false, false},
    {"everything on core 0", 0, 0, 0, 0, 0, false, false},
    {"polling: inline, client on the other core", 1, 0, 1, 10'000, 50, true, true},
};

std::string config_of(const Placement& placement) {
  return format(
      "[threads]\nnetwork_core = %d\nbusy_poll = %s\nexecutor_spin_us = %d\ninline_execution_max_us = %d\n"
      "[[executor]]\nname = \"cpu0\"\ncores = [%d]\n",
      placement.network, placement.busy_poll ? "true" : "false", placement.spin_us, placement.inline_max_us,
      placement.executor);
}

/// Reads what is there: sleeping in the kernel, or looking again and again.
ssize_t receive(int descriptor, char* target, std::size_t size, bool polls) {
  for (;;) {
    const ssize_t got = ::recv(descriptor, target, size, polls ? MSG_DONTWAIT : 0);
    if (got >= 0 || (errno != EAGAIN && errno != EINTR)) return got;
  }
}

bool send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// One connection of the simplest kind.
class PlainClient {
 public:
  PlainClient(const Endpoint& endpoint, bool polls) : polls_(polls) {
    descriptor_ = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
    LAXITY_CHECK(::connect(descriptor_, address, endpoint.address_length) == 0);
  }
  ~PlainClient() { ::close(descriptor_); }
  PlainClient(const PlainClient&) = delete;
  PlainClient& operator=(const PlainClient&) = delete;

  /// Sends all of `request`; returns the status of the answer. The answer stays until the next exchange.
  int exchange(std::string_view request) {
    reader_.reset();
    LAXITY_CHECK(send_all(descriptor_, request));
    for (HttpReader::State state = HttpReader::State::kNeedsMore; state != HttpReader::State::kComplete;) {
      const std::span<char> space = reader_.space();
      const ssize_t size = receive(descriptor_, space.data(), space.size(), polls_);
      LAXITY_CHECK(size > 0);
      state = reader_.commit(static_cast<std::size_t>(size));
      LAXITY_CHECK(state != HttpReader::State::kBroken);
    }
    return reader_.status();
  }
  const HttpReader& answer() const { return reader_; }

 private:
  int descriptor_ = -1;
  bool polls_;
  HttpReader reader_;
};

/// Takes `request_size` bytes, sends `reply`, on a thread of its own and for one connection: nothing can be
/// barer. Sleeps outside its turns also when it polls, so that it takes no core from the others.
class EchoServer {
 public:
  EchoServer(int core, bool polls, std::size_t request_size, std::string reply)
      : polls_(polls), request_size_(request_size), reply_(std::move(reply)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    LAXITY_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    LAXITY_CHECK(::listen(listener_, 1) == 0);
    LAXITY_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    std::memcpy(&endpoint_.address, &address, sizeof address);
    endpoint_.address_length = sizeof address;
    thread_ = std::thread([this, core] { serve(core); });
  }
  /// Precondition: its client has closed the connection.
  ~EchoServer() {
    set_turn(true);
    thread_.join();
    ::close(listener_);
  }
  const Endpoint& endpoint() const { return endpoint_; }
  void set_turn(bool is_mine) {
    is_my_turn_.store(is_mine);
    is_my_turn_.notify_all();
  }

 private:
  void serve(int core) {
    pin_this_thread(core);
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::vector<char> buffer(request_size_);
    for (bool is_open = true; is_open;) {
      for (std::size_t got = 0; is_open && got < request_size_;) {
        if (polls_ && !is_my_turn_.load()) is_my_turn_.wait(false);
        const ssize_t size =
            ::recv(descriptor, buffer.data() + got, request_size_ - got, polls_ ? MSG_DONTWAIT : 0);
        if (size > 0) got += static_cast<std::size_t>(size);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) is_open = false;
      }
      if (is_open) is_open = send_all(descriptor, reply_);
    }
    ::close(descriptor);
  }

  bool polls_;
  std::size_t request_size_;
  std::string reply_;
  int listener_ = -1;
  Endpoint endpoint_;
  std::atomic<bool> is_my_turn_{false};
  std::thread thread_;
};

/// Runs the engine on a core of its own choice while the client's thread stays, warm, where it is.
class EngineThread {
 public:
  EngineThread(RawModel& raw, int core) : raw_(raw), thread_([this, core] { serve(core); }) {}
  ~EngineThread() {
    order_.store(kStop);
    order_.notify_one();
    thread_.join();
  }
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /// Microseconds of one run; the caller sleeps meanwhile.
  double run() {
    order_.store(kRun);
    order_.notify_one();
    order_.wait(kRun);
    return microseconds_;
  }

 private:
  static constexpr int kWait = 0, kRun = 1, kStop = 2;

  void serve(int core) {
    pin_this_thread(core);
    for (;;) {
      order_.wait(kWait);
      if (order_.load() == kStop) return;
      const std::int64_t begin = now_ns();
      raw_.run(1);
      microseconds_ = static_cast<double>(now_ns() - begin) / 1e3;
      order_.store(kWait);
      order_.notify_one();
    }
  }

  RawModel& raw_;
  std::atomic<int> order_{kWait};
  double microseconds_ = 0;
  std::thread thread_;  // last: it uses all the others
};

struct Samples {
  std::vector<double> echo, engine, server;  // microseconds
};

/// Time of `exchange` in microseconds.
template <typename Exchange>
double timed(Exchange exchange) {
  const std::int64_t begin = now_ns();
  exchange();
  return static_cast<double>(now_ns() - begin) / 1e3;
}

/// Until a thread that begins to poll again does so.
void settle() {
  constexpr std::int64_t kSettleNs = 100'000;
  for (const std::int64_t end = now_ns() + kSettleNs; now_ns() < end;) {
  }
}

std::string make_request(const std::string& url, const std::string& model) {
  const Endpoint endpoint = resolve_url(url).value();
  const HttpAnswer metadata = http_get(endpoint, "/v2/models/" + model, 5s).value();
  const RemoteModel remote = read_model_metadata(metadata.body).value();
  const SampleSet set = random_samples(remote, 1, Rng(1)).value();
  const PreparedRequest request =
      prepare_request(remote, endpoint.authority, set, set.samples[0], JobKind::kFirm, true).value();
  return request.head + std::string(reinterpret_cast<const char*>(request.body.data()), request.body.size());
}

Result<Samples> measure(const Placement& placement, const ServerFlags& flags, const std::string& model,
                        RawModel& raw, int rounds) {
  ServerFlags own = flags;
  own.config_text = config_of(placement);
  Result<ServerProcess> started = ServerProcess::start(own);
  if (!started) return started.error();
  const ServerProcess& server = *started;
  const std::string request = make_request(server.url(), model);
  pin_this_thread(placement.client);
  PlainClient client(resolve_url(server.url()).value(), placement.busy_poll);
  LAXITY_CHECK(client.exchange(request) == 200);
  // The echo answers with as many bytes as the server does.
  const std::string reply =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(client.answer().body().size()) + "\r\n\r\n" +
      std::string(client.answer().body());
  EchoServer echo(placement.network, placement.busy_poll, request.size(), reply);
  PlainClient echo_client(echo.endpoint(), placement.busy_poll);

  EngineThread engine(raw, placement.inline_max_us > 0 ? placement.network : placement.executor);
  Samples samples;
  std::size_t failed = 0;
  for (int round = 0; round < rounds; ++round) {
    ::kill(server.pid(), SIGSTOP);
    for (int i = 0; i < kWarmUps + kTurns; ++i) {
      echo.set_turn(true);
      if (placement.busy_poll) settle();
      const double echo_us = timed([&] { echo_client.exchange(request); });
      echo.set_turn(false);
      const double engine_us = engine.run();
      if (i < kWarmUps) continue;
      samples.echo.push_back(echo_us);
      samples.engine.push_back(engine_us);
    }
    ::kill(server.pid(), SIGCONT);
    for (int i = 0; i < kWarmUps + kTurns; ++i) {
      const double server_us = timed([&] { failed += client.exchange(request) != 200; });
      if (i >= kWarmUps) samples.server.push_back(server_us);
    }
  }
  if (failed > 0) std::printf("%zu requests were not answered with 200\n", failed);
  return samples;
}

int run(int argc, char** argv) {
  const Flags flags(
      argc, argv,
      {{"--laxity", format("=%s the program under test", default_binary(argv[0]).c_str())},
       {"--model", "=" LAXITY_SOURCE_DIR "/tests/data/models/small folder of a network of 100-300 us"},
       {"--rounds", "=80 of 25 exchanges of each kind, per placement"}});
  print_machine(argc, argv);
  const std::string path = flags.text("--model");
  const std::string model = path.substr(path.rfind('/') + 1);
  Result<ModelFolder> folder = ModelFolder::make({path});
  Result<RawModel> raw = folder ? RawModel::load(folder->path(), model, 1) : Result<RawModel>(folder.error());
  if (!raw) {
    std::fprintf(stderr, "latency_bench: %s\n", raw.error().message.c_str());
    return 3;
  }
  const ServerFlags server{flags.text("--laxity"), folder->path(), "edf", ""};
  std::printf("# model %s, %s; medians (p99) in us\n%-58s %-16s %-16s %-16s %s\n", model.c_str(),
              std::string(raw->engine_version()).c_str(), "placement", "echo", "engine", "laxity", "added");
  for (const Placement& placement : kPlacements) {
    Result<Samples> measured =
        measure(placement, server, model, *raw, static_cast<int>(flags.number("--rounds")));
    if (!measured) {
      std::printf("%-58s %s\n", placement.name, measured.error().message.c_str());
      continue;
    }
    Samples& samples = *measured;
    const double added = median(samples.server) - median(samples.echo) - median(samples.engine);
    const auto column = [](std::vector<double>& kind) {
      return format("%.1f (%.1f)", median(kind), percentile(kind, 99));
    };
    std::printf("%-58s %-16s %-16s %-16s %.1f\n", placement.name, column(samples.echo).c_str(),
                column(samples.engine).c_str(), column(samples.server).c_str(), added);
    std::fflush(stdout);
    if (!placement.is_default) continue;
    const double asked = placement.busy_poll ? 15 : 30;
    print_asked(placement.busy_poll ? "HTTP infer above echo + engine, busy polling"
                                    : "HTTP infer above echo + engine",
                format("<= %.0f us", asked), format("%.1f us", added), added <= asked);
  }
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
