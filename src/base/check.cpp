#include "base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace laxity {
namespace {
std::atomic<CheckContextPrinter> context_printer{nullptr};
}

CheckContextPrinter set_check_context(CheckContextPrinter printer) noexcept {
  return context_printer.exchange(printer);
}

void check_failed(const char* file, int line, const char* condition) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  // Exchanged away first, so that a check that fails inside the printer cannot recurse.
  if (const CheckContextPrinter printer = context_printer.exchange(nullptr)) printer();
  std::abort();
}

}  // namespace laxity
