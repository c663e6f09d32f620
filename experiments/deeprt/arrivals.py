#!/usr/bin/env python3
"""Stretches of a real request stream, for the shape of arrivals: one a line, counts a second.

    arrivals.py DATA_FOLDER OUT_FILE      reads DATA_FOLDER/traces/twitter_workload.tbz2

The stream is idle for half an hour each day; stretches that touch such a gap are left out.
"""
import pathlib
import sys
import tarfile

STRETCHES, SECONDS = 64, 300


def read_counts(path):
    with tarfile.open(path, "r:bz2") as archive:
        for member in archive:
            if not member.isfile():
                continue
            for line in archive.extractfile(member):
                yield from map(float, line.split())


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    path = pathlib.Path(sys.argv[1]) / "traces" / "twitter_workload.tbz2"
    if not path.exists():
        print(f"arrivals.py: expected {path}, found nothing there", file=sys.stderr)
        return 3
    counts = list(read_counts(path))
    stretches = [counts[i:i + SECONDS] for i in range(0, len(counts) - SECONDS + 1, SECONDS)]
    stretches = [s for s in stretches if min(s) > 0]
    if len(stretches) < STRETCHES:
        print(f"arrivals.py: expected {STRETCHES} stretches of {SECONDS} s in {path}, found {len(stretches)}",
              file=sys.stderr)
        return 2
    step = len(stretches) // STRETCHES
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        for i in range(STRETCHES):
            out.write(" ".join(f"{c:g}" for c in stretches[i * step]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
