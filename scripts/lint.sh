#!/usr/bin/env bash
# Checks formatting, layering and the house rules; prints file:line for each complaint.
#
#   scripts/lint.sh                  check everything
#   scripts/lint.sh --fix            rewrite sources with clang-format first
#   scripts/lint.sh --format-only    clang-format alone
#   scripts/lint.sh --clang-tidy     clang-tidy alone, on what build/dev compiles; slow, needs clang-tidy-14
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = --clang-tidy ]; then
  command -v clang-tidy-14 >/dev/null || { echo "lint: clang-tidy-14 is not installed: skipped" >&2; exit 0; }
  sed -n 's/^ *"file": "\(.*\)".*/\1/p' build/dev/compile_commands.json |
    grep -E "^$PWD/src/.*\.cpp$" | grep -v _test.cpp | sort -u |
    xargs -r -n 1 -P "$(nproc)" clang-tidy-14 -p build/dev --quiet 2>/dev/null
  exit
fi

clang_format=$(command -v clang-format-14 || true)
[ -n "$clang_format" ] || { echo "lint: clang-format-14 not found: run scripts/setup.sh" >&2; exit 3; }
mapfile -d '' sources < <(git ls-files -z -co --exclude-standard -- '*.h' '*.cpp')
present=()
for source in "${sources[@]}"; do
  if [ -f "$source" ]; then present+=("$source"); fi
done

status=0
if [ "${1:-}" = --fix ]; then "$clang_format" -i "${present[@]}"; fi
printf '%s\0' "${present[@]}" | xargs -0 -r -n 20 -P "$(nproc)" "$clang_format" --dry-run -Werror || status=1
if [ "${1:-}" != --format-only ]; then
  python3 tools/check_layers.py || status=1
  python3 tools/tidy.py || status=1
fi
exit $status
