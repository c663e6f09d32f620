#!/usr/bin/env bash
# Prints every number of docs/benchmarks.md on this machine: what was asked, what was reached.
#
#   bench/run_all.sh [--quick] [--data DIR] [--build FOLDER]
#
#   --quick   shorter runs; the numbers are then rougher (about 4 minutes instead of 25)
#   --data    folder with the CIFAR-10 and traffic-sign test sets (bench/accuracy_bench.py says in which form)
#   --build   folder of a release build; default build/release, built first when something is missing
#
# Leave the machine alone meanwhile: on two cores a compiler next door changes every number.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/release data="" quick=""
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=yes ;;
    --data) data=${2:?--data: expected a folder}; shift ;;
    --build) build=${2:?--build: expected a folder}; shift ;;
    -h | --help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "run_all.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done

programs="decision_bench sim_bench engine_bench wake_bench http_echo_bench load_bench latency_bench
  throughput_bench overload_bench memory_bench"
if [ ! -x "$build/bin/laxity" ]; then
  scripts/setup.sh >&2
  cmake --preset release >&2
  cmake --build --preset release >&2
fi

seconds() { if [ -n "$quick" ]; then echo "$1"; else echo "$2"; fi; }
run() {
  local name=$1
  shift
  echo
  if [ ! -x "$build/bin/$name" ]; then
    echo "# $name is not built"
    return
  fi
  "$build/bin/$name" "$@" || echo "# $name ended with status $?"
}

for name in $programs; do
  case "$name" in
    load_bench) run "$name" --seconds "$(seconds 2 5)" ;;
    latency_bench) run "$name" --rounds "$(seconds 20 80)" ;;
    throughput_bench) run "$name" --seconds "$(seconds 1 3)" ;;
    overload_bench) run "$name" --seconds "$(seconds 5 20)" ;;
    memory_bench) run "$name" --minutes "$(seconds 1 10)" ;;
    *) run "$name" ;;
  esac
done
echo
if [ -n "$quick" ]; then
  echo "# policies_bench.py needs runs of 20 s: left out by --quick"
else
  python3 bench/policies_bench.py --laxity "$build/bin/laxity" ||
    echo "# policies_bench.py ended with status $?"
fi
echo
python3 bench/promise_bench.py --laxity "$build/bin/laxity" --minutes "$(seconds 1 10)" ||
  echo "# promise_bench.py ended with status $?"
echo
if [ -n "$data" ]; then
  python3 bench/accuracy_bench.py --laxity "$build/bin/laxity" --data "$data" ||
    echo "# accuracy_bench.py ended with status $?"
else
  echo "# accuracy_bench.py needs the test sets: name their folder with --data"
fi
