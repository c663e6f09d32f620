// The HTTP server as the command line sees it.
#include "server/server.h"

#include <thread>

#include "live/placement.h"
#include "server/http_server.h"

namespace laxity {

struct Server::Thread {
  std::thread network;
};

Server::Server(std::unique_ptr<HttpServer> http)
    : http_(std::move(http)), thread_(std::make_unique<Thread>()) {}

Result<std::unique_ptr<Server>> Server::make(const ServerConfig& config, std::span<const LoadedModel> models,
                                             const Limits& limits) {
  auto http = std::make_unique<HttpServer>(config, models, limits);
  if (Status status = http->listen(); !status) return status.error();
  return std::unique_ptr<Server>(new Server(std::move(http)));
}

Server::~Server() { stop(Duration::zero()); }

std::uint16_t Server::port() const noexcept { return http_->port(); }
JobStore& Server::job_store() noexcept { return http_->table(); }

void Server::serve(EventPort& port) {
  events_ = &port;
  thread_->network = std::thread([this, &port] {
    // Where the system refuses the cores the thread runs anywhere: slower, not wrong.
    const ServerConfig& config = http_->config();
    (void)settle_this_thread("laxity-net", config.cores).has_value();
    if (config.realtime_priority > 0 && !config.busy_poll) (void)raise_this_thread(config.realtime_priority);
    http_->run(port);
  });
}

void Server::stop(Duration grace) {
  if (!thread_->network.joinable()) return;
  http_->begin_stop();
  events_->stop(grace);
  http_->finish();
  thread_->network.join();
}

}  // namespace laxity
