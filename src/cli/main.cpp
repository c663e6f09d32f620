// laxity: a real-time inference server for edge machines.
#include "cli/command_line.h"

int main(int argc, char** argv) { return laxity::run_command_line(argc, argv, LAXITY_VERSION); }
