// A server that answers every inference at once with class 0: what a client can do when nothing else is slow.
//
//   null_server [--port 8000]      until it is interrupted; then `laxity load … --url http://127.0.0.1:8000`
#include "load/null_server.h"

#include <signal.h>

#include <cstdio>

#include "bench/measure.h"

int main(int argc, char** argv) {
  using namespace laxity;
  const bench::Flags flags(argc, argv,
                           {{"--port", "=8000 where to listen; 0: any free port"},
                            {"--core", "=-1 core of its thread; -1: anywhere"}});
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  bench::pin_this_thread(static_cast<int>(flags.number("--core")));  // its thread inherits this
  const NullServer server(
      [](std::string_view head, std::string_view) { return reply_like_a_server(head, 0); },
      static_cast<std::uint16_t>(flags.number("--port")));
  std::printf("null server: ready on %s\n", server.url().c_str());
  std::fflush(stdout);
  int number = 0;
  sigwait(&signals, &number);
  std::printf("null server: %llu requests\n", static_cast<unsigned long long>(server.requests()));
  return 0;
}
