#!/usr/bin/env bash
# Installs what is missing, builds, and runs every check. The last thing printed is the test runner's summary.
#
#   scripts/test.sh           lint; ThreadSanitizer where there are threads, AddressSanitizer where bytes are
#                             parsed; then all tests
#   scripts/test.sh --long    also 100,000 simulation seeds, clang-tidy, and five minutes of each clang fuzzer
#
# A failure anywhere makes the exit status 1; later stages still run, so that one run shows all that is wrong.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

long=false
case "${1:-}" in
  "") ;;
  --long) long=true ;;
  *) echo "usage: scripts/test.sh [--long]" >&2; exit 2 ;;
esac

jobs=$(nproc)
failed=()
started=$SECONDS

stage() {  # name, command…: runs it, remembers a failure, says how long it took
  local name=$1 begin=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if ! "$@"; then failed+=("$name"); fi
  printf '== %s: %d s\n' "$name" $((SECONDS - begin))
}

build() {  # preset, target…
  local preset=$1
  shift
  cmake --preset "$preset" --log-level=WARNING >/dev/null &&
    cmake --build "build/$preset" -j "$jobs" --target "$@"
}

# Each suite is named by its folder (a room, fuzz, tests) or by a label that a laxity_test carries.
sanitize() {  # preset, suite…
  local preset=$1 targets labels
  shift
  targets=("${@/#/suite_}")
  labels=$(IFS='|'; echo "^($*)\$")
  build "$preset" "${targets[@]}" &&
    ctest --test-dir "build/$preset" -L "$labels" -j "$jobs" --output-on-failure --no-tests=error
}

fuzz_long() {
  build fuzz suite_fuzz || return 1
  local target result=0
  for target in build/fuzz/bin/*_fuzz; do
    local name=${target##*/}
    mkdir -p "build/fuzz/found/$name"
    "$target" -max_total_time=300 -timeout=10 -artifact_prefix="build/fuzz/found/$name-" \
      "build/fuzz/found/$name" "fuzz/corpus/$name" || result=1
  done
  return $result
}

scripts/setup.sh || exit
stage "lint" scripts/lint.sh
stage "build dev" build dev all
stage "thread sanitizer" sanitize tsan live server trace
stage "address sanitizer" sanitize asan base model trace server fuzz parser
if $long; then
  stage "100,000 seeds" env LAXITY_SWARM_SEEDS=100000 ctest --test-dir build/dev -L '^swarm$' --timeout 7200 \
    --output-on-failure
  stage "fuzzers" fuzz_long
  stage "clang-tidy" scripts/lint.sh --clang-tidy
fi

if [ ${#failed[@]} -gt 0 ]; then
  printf '\n== failed so far:'
  printf ' %s;' "${failed[@]}"
  printf '\n'
fi
printf '\n== all tests, %d s after the start\n' $((SECONDS - started))
ctest --test-dir build/dev -j "$jobs" --output-on-failure --no-tests=error || failed+=("tests")
[ ${#failed[@]} -eq 0 ]
