// The HTTP server as the command line sees it: make it, give its job store to the live driver, serve, stop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/time.h"
#include "core/limits.h"
#include "live/job_store.h"
#include "model/repository.h"
#include "server/event_port.h"
#include "server/server_config.h"

namespace laxity {

class HttpServer;

///   auto server = Server::make(config, repository, limits);  // the port is taken from here on
///   auto runner = LiveRunner::start(…, (*server)->job_store(), …);
///   RunnerPort port(**runner, system);
///   (*server)->serve(port);
///   …
///   (*server)->stop(5s);
class Server {
 public:
  /// Binds the port and reserves the tables; connections wait until serve(). `models` must outlive the
  /// server.
  /// Errors: kFailedPrecondition: the port is taken or not allowed; kInvalidArgument: the address is none.
  static Result<std::unique_ptr<Server>> make(const ServerConfig& config, std::span<const LoadedModel> models,
                                              const Limits& limits);
  static Result<std::unique_ptr<Server>> make(const ServerConfig& config, const Repository& repository,
                                              const Limits& limits) {
    return make(config, std::span<const LoadedModel>(repository.models()), limits);
  }
  /// Stops with no grace if still serving.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const noexcept;
  JobStore& job_store() noexcept;

  /// Starts the network thread and returns. `port` must outlive stop().
  void serve(EventPort& port);

  /// Accepts nothing new, lets `EventPort::stop(grace)` finish or settle every job, sends the replies, ends
  /// the network thread. Requests that come meanwhile get 503 `shutting_down`. Blocks. A second call does
  /// nothing.
  void stop(Duration grace);

 private:
  explicit Server(std::unique_ptr<HttpServer> http);
  struct Thread;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Thread> thread_;
  EventPort* events_ = nullptr;
};

}  // namespace laxity
