#!/usr/bin/env bash
# Repeats DeepRT's evaluation on the emulated device and writes docs/results/deeprt.md with its charts.
#
#   experiments/deeprt/run.sh [--data DIR] [--seeds N] [--quick] [--out DIR] [--build DIR] [--results FILE]
#
#   --data     folder with traces/twitter_workload.tbz2, for the shape of arrivals; else they are synthetic
#   --seeds    random traces for each number (default 30)
#   --quick    4 seeds, under a minute; the page then says so. Without it some minutes on one core
#   --out      folder of the page (default docs/results)
#   --build    folder of a release build (default build/release), built first when the program is missing
#   --results  where the numbers go as JSON (default <build>/deeprt_study.json)
set -euo pipefail
cd "$(dirname "$0")/../.."

data="" seeds=() scale=full out=docs/results build=build/release results=""
command="experiments/deeprt/run.sh"
while [ $# -gt 0 ]; do
  case "$1" in
    --data) data=${2:?--data: expected a folder}; shift; command+=" --data DIR" ;;
    --seeds) seeds=(--seeds "${2:?--seeds: expected a number}"); command+=" --seeds $2"; shift ;;
    --quick) scale=quick; command+=" --quick" ;;
    --scale) scale=${2:?--scale: expected full, quick or tiny}; shift ;;
    --out) out=${2:?--out: expected a folder}; shift ;;
    --build) build=${2:?--build: expected a folder}; shift ;;
    --results) results=${2:?--results: expected a file}; shift ;;
    -h | --help) sed -n '2,11p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "run.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done

program="$build/bin/deeprt_study"
if [ ! -x "$program" ]; then
  scripts/setup.sh >&2
  cmake --preset release >&2
  cmake --build --preset release --target deeprt_study >&2
fi
results=${results:-$build/deeprt_study.json}
shapes=()
if [ -n "$data" ]; then
  python3 experiments/deeprt/arrivals.py "$data" "$results.shapes"
  shapes=(--shapes "$results.shapes")
fi
started=$SECONDS
"$program" --scale "$scale" "${seeds[@]}" "${shapes[@]}" > "$results"
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
python3 experiments/deeprt/page.py "$results" --out "$out" --command "$command" \
  --machine "one core of ${cpu:-an unknown processor}" --seconds $((SECONDS - started))
echo "wrote $out/deeprt.md" >&2
