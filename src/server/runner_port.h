// The live driver as the server's event port.
#pragma once

#include <string>

#include "core/system_model.h"
#include "live/live_runner.h"
#include "server/event_port.h"

namespace laxity {

class RunnerPort final : public EventPort {
 public:
  /// Both must outlive this. `system` names what the driver counts by index.
  RunnerPort(LiveRunner& runner, const SystemModel& system) : runner_(runner), system_(system) {}

  bool post(const Event& event, bool may_run_inline) override { return runner_.post(event, may_run_inline); }
  Instant now() const override { return runner_.now(); }
  std::string state_json() override;
  void look_up(std::span<LiveStream> streams) override { runner_.look_up(streams); }
  void stop(Duration grace) override { runner_.stop(grace); }

 private:
  LiveRunner& runner_;
  const SystemModel& system_;
};

}  // namespace laxity
