// The command line: words to flags. The only file that knows the parser is command_line.cpp.
#pragma once

namespace laxity {

/// Parses the words, runs the chosen sub-command and returns the exit status (output.h).
int run_command_line(int argc, char** argv, const char* version);

}  // namespace laxity
