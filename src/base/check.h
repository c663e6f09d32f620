// Always-on assertions. A failed check is a bug in this program, never a bad input.
#pragma once

namespace laxity {

/// Prints what helps to reproduce a failure (last trace events, seed). Called once, just before abort.
using CheckContextPrinter = void (*)();

/// Installs `printer` (null removes it) and returns the one that was there. Any thread; does not block.
CheckContextPrinter set_check_context(CheckContextPrinter printer) noexcept;

[[noreturn]] void check_failed(const char* file, int line, const char* condition) noexcept;

}  // namespace laxity

#define LAXITY_CHECK(condition)                               \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::laxity::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
