// Runs a fuzz target without a fuzzer: the checked-in corpus, then seeded random mutations of it.
//
//   <target> CORPUS_FOLDER MUTATIONS [SEED]     the same seed gives the same inputs
//   <target> FILE                               one input, to reproduce a failure
//
// A fuzzer with coverage finds more, but needs another compiler; this finds the shallow bugs in every build.
// When the target dies, the input that did it lies in `<target>-failure.bin` in the working folder.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Present in builds with a sanitizer only.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Bytes = std::vector<std::uint8_t>;

// Grown inputs stay small: a parser's bugs sit in its structure, not in its megabytes.
constexpr std::size_t kMutatedSizeMax = 1 << 16;

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::vector<Bytes> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());  // the folder's own order differs between file systems
  std::vector<Bytes> corpus;
  for (const auto& path : paths) corpus.push_back(read_file(path));
  return corpus;
}

// What the handlers below save. Written before each run, read only when the process dies.
const std::uint8_t* running_data = nullptr;
std::size_t running_size = 0;
char failure_path[1024] = "fuzz-failure.bin";

void save_running_input() {
  const int file = open(failure_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  if (running_size > 0) (void)!write(file, running_data, running_size);
  (void)close(file);
  static const char kMessage[] = "fuzz target died; its input was saved in the working folder as ";
  (void)!write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  (void)!write(STDERR_FILENO, failure_path, std::strlen(failure_path));
  (void)!write(STDERR_FILENO, "\n", 1);
}

void on_signal(int signal_number) {
  save_running_input();
  (void)std::signal(signal_number, SIG_DFL);
  (void)raise(signal_number);
}

void install_handlers(const char* program) {
  const std::string name = std::filesystem::path(program).filename().string() + "-failure.bin";
  (void)std::snprintf(failure_path, sizeof failure_path, "%s", name.c_str());
  for (const int signal_number : {SIGABRT, SIGILL}) (void)std::signal(signal_number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(
        save_running_input);  // it has its own handlers for the rest, with better reports
    return;
  }
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGFPE}) (void)std::signal(signal_number, on_signal);
}

void run(const Bytes& input) {
  // Exactly sized heap copy: one byte past the end is outside the allocation, so AddressSanitizer sees it.
  const Bytes exact(input.begin(), input.end());
  running_data = exact.data();
  running_size = exact.size();
  (void)LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  Mutator(const std::vector<Bytes>& corpus, std::uint64_t seed) : corpus_(corpus), rng_(seed) {}

  Bytes next() {
    Bytes input = corpus_[below(corpus_.size())];
    const std::size_t change_count = 1 + below(8);
    for (std::size_t change = 0; change < change_count; ++change) mutate(input);
    if (input.size() > kMutatedSizeMax) input.resize(kMutatedSizeMax);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(rng_() % bound); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(rng_()); }
  auto at(Bytes& input, std::size_t index) { return input.begin() + static_cast<std::ptrdiff_t>(index); }

  void mutate(Bytes& input) {
    const std::size_t where = below(input.size());
    const std::size_t length = input.empty() ? 0 : 1 + below(std::min<std::size_t>(input.size() - where, 32));
    switch (below(9)) {
      case 0:  // flip a bit
        if (!input.empty()) input[where] = static_cast<std::uint8_t>(input[where] ^ (1u << below(8)));
        break;
      case 1:
        if (!input.empty()) input[where] = byte();
        break;
      case 2:
        input.insert(at(input, where), byte());
        break;
      case 3:
        input.erase(at(input, where), at(input, where + length));
        break;
      case 4:
        input.resize(where);  // truncate
        break;
      case 5: {  // repeat a piece
        const Bytes piece(at(input, where), at(input, where + length));
        input.insert(at(input, where), piece.begin(), piece.end());
        break;
      }
      case 6: {  // splice the tail of another input
        const Bytes& other = corpus_[below(corpus_.size())];
        const std::size_t from = below(other.size());
        input.resize(where);
        input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        break;
      }
      case 7: {  // text that parsers get wrong
        static const std::string kTokens[] = {
            "-1",   "0",  "1e999", "NaN", "18446744073709551616", "[", "]",   "{",
            "}",    "\"", "null",  "-0",  "9223372036854775807",  ",", ":",   "\\u0000",
            "\xff", "\n", "=",     "#",   "4294967296",           "'", "\r\n"};
        const std::string& token = kTokens[below(std::size(kTokens))];
        input.insert(at(input, where), token.begin(), token.end());
        break;
      }
      default: {  // a length field that lies
        static const std::uint32_t kLengths[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000};
        const std::uint32_t value = kLengths[below(std::size(kLengths))];
        for (std::size_t i = 0; i < 4 && where + i < input.size(); ++i) {
          input[where + i] = static_cast<std::uint8_t>(value >> (8 * i));
        }
      }
    }
  }

  const std::vector<Bytes>& corpus_;
  std::mt19937_64 rng_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  install_handlers(arguments[0]);
  if (argument_count == 2) {
    run(read_file(arguments[1]));
    return 0;
  }
  if (argument_count < 3) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER MUTATIONS [SEED] | FILE\n", arguments[0]);
    return 2;
  }
  const std::vector<Bytes> corpus = read_corpus(arguments[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: expected at least one file, found none\n", arguments[1]);
    return 2;
  }
  const std::uint64_t mutation_count = std::strtoull(arguments[2], nullptr, 10);
  const std::uint64_t seed = argument_count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 1;
  run({});
  for (const Bytes& input : corpus) run(input);
  Mutator mutator(corpus, seed);
  for (std::uint64_t i = 0; i < mutation_count; ++i) run(mutator.next());
  std::printf("%zu corpus files, %llu mutations with seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(mutation_count), static_cast<unsigned long long>(seed));
  return 0;
}
