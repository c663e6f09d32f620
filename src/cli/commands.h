// One function a sub-command; each registers its flags and runs. main.cpp only lists them.
#pragma once

#include <CLI/CLI.hpp>

namespace laxity {

/// Adds the sub-command to `app`; when it was chosen, its callback leaves the exit status in `status`.
void add_serve_command(CLI::App& app, int& status);
void add_profile_command(CLI::App& app, int& status);
void add_simulate_command(CLI::App& app, int& status);
void add_load_command(CLI::App& app, int& status);
void add_replay_command(CLI::App& app, int& status);
void add_policies_command(CLI::App& app, int& status);

}  // namespace laxity
