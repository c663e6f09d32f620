// One function a sub-command, with the flags it takes. command_line.cpp turns words into flags.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace laxity {

struct ServeFlags {
  std::string config, models, policy, profile, trace;
  std::optional<std::uint16_t> http_port;
};

struct ProfileFlags {
  std::string config, models_folder, out;
  std::vector<std::string> models;
  std::vector<double> deadlines_ms;
  bool quick = false, json = false;
};

struct SimulateFlags {
  std::vector<std::string> scenarios, policies;
  std::string config, models, profile, trace;
  std::optional<std::uint64_t> seed;
  std::uint64_t seeds = 0;
  bool check = false, update = false, json = false, measure = false;
};

struct AdmitFlags {
  std::string scenario, policy = "laxity", config, models, profile, svg;
  bool json = false;
};

struct LoadFlags {
  std::string scenario, url = "http://127.0.0.1:8000", protocol = "http", samples, on_refusal;
  std::optional<std::uint64_t> seed;
  std::optional<double> duration_s, margin_ms;
  std::optional<int> core;
  std::optional<std::uint32_t> connections;
  bool until_refused = false, json = false;
};

/// Each runs one sub-command and returns the exit status of the program.
int run_serve(const ServeFlags& flags);
int run_profile(const ProfileFlags& flags);
int run_simulate(const SimulateFlags& flags);
int run_admit(const AdmitFlags& flags);
int run_load_command(const LoadFlags& flags);
int run_replay(const std::string& path, bool json);
int run_policies(bool json);

}  // namespace laxity
