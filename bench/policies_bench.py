#!/usr/bin/env python3
"""The demo's scenarios for 20 s each, held against what was asked of policies and simulator.

    bench/policies_bench.py [--laxity build/release/bin/laxity] [--seed 1] [--json FILE]

Runs scripts/demo.py --full (three policies, three loads, live and simulated). --json keeps its result object.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def on_time(run):
    totals = run["totals"]
    return totals["on_time"] / totals["jobs"] if totals["jobs"] else 0.0


def asked(what, wanted, reached, is_met):
    print(f"{what:<58} asked {wanted:<22} reached {reached:<22} {'met' if is_met else 'NOT MET'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laxity", default=str(ROOT / "build/release/bin/laxity"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="file to keep the runs in")
    arguments = parser.parse_args()
    command = [sys.executable, str(ROOT / "scripts/demo.py"), "--laxity", arguments.laxity, "--full",
               "--json", "--seed", str(arguments.seed)]
    # The results go to a file: who reads one of two pipes waits for ever once the other is full.
    results = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(command, stdout=results, stderr=subprocess.PIPE, text=True)
    capacity = None
    for line in process.stderr:
        sys.stderr.write(line)
        if match := re.search(r"capacity of the mix: ([\d.]+)", line):
            capacity = float(match[1])
    failed = process.wait() != 0 or capacity is None
    results.seek(0)
    document = json.loads(results.read() or "{}")
    if failed:
        print("policies_bench: the demo failed", file=sys.stderr)
        return 3
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(document))
    runs = [run for run in document["runs"] if run.get("part") != "promise"]
    half = len(runs) // 2
    live, simulated = runs[:half], runs[half:]

    machine = document["machine"]
    print(f"# policies_bench.py --seed {arguments.seed}\n# {machine['cpu']}, {machine['cores']} cores, "
          f"{machine['engine']}; capacity {capacity:.0f} frames/s")
    print(f"{'policy':8}{'load':>6}{'offered/s':>11}{'on time':>10}{'simulated':>11}{'of capacity':>13}"
          f"{'p99 ms':>9}{'send lag p99':>14}")
    for run, twin in zip(live, simulated):
        totals = run["totals"]
        print(f"{run['policy']:8}{run['load_fraction']:>6.0%}{totals['jobs'] / run['duration_s']:>11.1f}"
              f"{on_time(run):>10.2%}{on_time(twin):>11.2%}{totals['goodput_per_s'] / capacity:>13.1%}"
              f"{totals['response_ms']['p99'] or 0:>9.1f}{totals['send_lag_ms']['p99'] or 0:>14.2f}")
    for run, twin in zip(live, simulated):
        policy, load = run["policy"], run["load_fraction"]
        totals = run["totals"]
        if policy == "edf" and load == 0.9:
            asked("edf at 90 %: frames on time", ">= 99 %", f"{on_time(run):.2%}", on_time(run) >= 0.99)
        if policy == "edf" and load == 1.5:
            share = totals["goodput_per_s"] / capacity
            asked("edf at 150 %: answered in time, of capacity", ">= 85 %", f"{share:.1%}", share >= 0.85)
        if policy == "fifo" and load == 1.5:
            asked("fifo at 150 %: frames on time", "collapses", f"{on_time(run):.2%}", on_time(run) < 0.5)
        if policy == "deeprt" and load != 0.5:
            print(f"deeprt without admission at {load:.0%}: {on_time(run):.2%} on time, "
                  f"{totals['goodput_per_s'] / capacity:.1%} of capacity (reported as it is)")
        differs = abs(on_time(run) - on_time(twin)) * 100
        asked(f"{policy} at {load:.0%}: simulated beside measured", "<= 3 points", f"{differs:.2f} points",
              differs <= 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
