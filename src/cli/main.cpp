// laxity: a real-time inference server for edge machines.
#include "cli/commands.h"
#include "cli/output.h"

int main(int argc, char** argv) {
  CLI::App app{
      "Laxity answers before the deadline: a real-time inference server for edge machines.\n\n"
      "  laxity serve --models models &\n"
      "  laxity load scenarios/eight_cameras.toml --url http://127.0.0.1:8000\n"};
  app.name("laxity");
  app.set_version_flag("--version", LAXITY_VERSION);
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("laxity: ") + error.what() + "\nSee `laxity --help`.\n";
  });

  int status = 0;
  laxity::add_serve_command(app, status);
  laxity::add_profile_command(app, status);
  laxity::add_simulate_command(app, status);
  laxity::add_load_command(app, status);
  laxity::add_replay_command(app, status);
  laxity::add_policies_command(app, status);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    app.exit(error);
    return asked ? 0 : laxity::to_int(laxity::ExitStatus::kWrongInput);
  }
  return status;
}
