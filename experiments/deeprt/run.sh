#!/usr/bin/env bash
# Repeats DeepRT's evaluation on the emulated device and writes docs/results/deeprt.md with its charts.
#
#   experiments/deeprt/run.sh [--data DIR] [--seeds N] [--quick] [--live] [--out DIR] [--build DIR]
#                             [--results FILE]
#   experiments/deeprt/run.sh --profile      writes profiles/rtx2080.json, the device as a profile, only
#
#   --data     folder with traces/twitter_workload.tbz2, for the shape of arrivals; else they are synthetic
#   --seeds    random traces for each number (default 30)
#   --quick    4 seeds, under a minute; the page then says so. Without it some minutes on one core
#   --live     measures on this machine too: real servers, networks and pictures, about five minutes. Leave
#              the machine alone meanwhile. Without it the page keeps what was measured last
#   --out      folder of the page (default docs/results)
#   --build    folder of a release build (default build/release), built first when the program is missing
#   --results  where the numbers go as JSON (default <build>/deeprt_study.json)
set -euo pipefail
cd "$(dirname "$0")/../.."

data="" seeds=() scale=full live="" profile="" out=docs/results build=build/release results=""
command="experiments/deeprt/run.sh"
while [ $# -gt 0 ]; do
  case "$1" in
    --data) data=${2:?--data: expected a folder}; shift; command+=" --data DIR" ;;
    --seeds) seeds=(--seeds "${2:?--seeds: expected a number}"); command+=" --seeds $2"; shift ;;
    --quick) scale=quick; command+=" --quick" ;;
    --live) live=yes; command+=" --live" ;;
    --profile) profile=profiles/rtx2080.json ;;
    --scale) scale=${2:?--scale: expected full, quick or tiny}; shift ;;
    --out) out=${2:?--out: expected a folder}; shift ;;
    --build) build=${2:?--build: expected a folder}; shift ;;
    --results) results=${2:?--results: expected a file}; shift ;;
    -h | --help) sed -n '2,16p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "run.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done

program="$build/bin/deeprt_study"
if [ ! -x "$program" ] || { [ -n "$live" ] && [ ! -x "$build/bin/laxity" ]; }; then
  scripts/setup.sh >&2
  cmake --preset release >&2
  cmake --build --preset release --target deeprt_study laxity >&2
fi
if [ -n "$profile" ]; then
  exec "$program" --profile "$profile"
fi
results=${results:-$build/deeprt_study.json}
shapes=()
if [ -n "$data" ]; then
  python3 experiments/deeprt/arrivals.py "$data" "$results.shapes"
  shapes=(--shapes "$results.shapes")
fi
started=$SECONDS
"$program" --scale "$scale" "${seeds[@]}" "${shapes[@]}" > "$results.part"
mv "$results.part" "$results"  # a run that is stopped leaves the last results
took=$((SECONDS - started))
if [ -n "$live" ]; then
  python3 experiments/deeprt/live.py --laxity "$build/bin/laxity" --out "$out/deeprt/live.json" \
    --command "experiments/deeprt/run.sh --live"
fi
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
python3 experiments/deeprt/page.py "$results" --out "$out" --command "$command" \
  --machine "one core of ${cpu:-an unknown processor}" --seconds "$took"
echo "wrote $out/deeprt.md" >&2
