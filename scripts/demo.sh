#!/usr/bin/env bash
# The main job on real input: installs what is missing, builds, profiles the shipped networks, serves real
# pictures from jittery 30 fps cameras under three policies and three loads, and shows what the simulator
# predicts beside each run. Then cameras ask for a promise, one after the other, until one is refused.
#
#   scripts/demo.sh [--json] [--full] [--keep] [--seed N]
#
#   --json   one JSON object (results as `laxity load --json` gives them) on standard output, nothing else
#   --full   20 s a run instead of 2.5 s
#   --keep   leave a server running afterwards
set -euo pipefail
cd "$(dirname "$0")/.."

for argument in "$@"; do
  case "$argument" in
    -h | --help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
  esac
done

scripts/setup.sh >&2
mkdir -p build
cmake --preset release >build/configure-release.log 2>&1 || {
  cat build/configure-release.log >&2
  exit 3
}
echo "building (release); the first time takes a few minutes …" >&2
cmake --build --preset release --target laxity -- -j"$(nproc)" >&2
exec python3 scripts/demo.py --laxity build/release/bin/laxity "$@"
