#!/usr/bin/env python3
"""Promised cameras beside a best-effort flood, live, and what became of each promise.

    bench/promise_bench.py [--laxity build/release/bin/laxity] [--minutes 10] [--policy laxity] [--seed 1]
                           [--profile FILE] [--keep-trace FILE]

The demo's cameras ask until one is refused. Beside them best-effort requests arrive at three times the rate
that the executor alone could answer. The server records a trace, and each promised frame that was late is
put down to what the trace shows: a batch that took longer than its table, or a timer that fired later than
the measured wake-up.
"""
import argparse
import collections
import json
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import demo  # noqa: E402  (the scenario is the demo's)

LOOK_BACK_NS = 100_000_000  # an overrun delays what comes within this time after it
TRACE_MB_MAX = 16_384
FLOOD_FACTOR = 3
CANDIDATES = 250  # cameras that would ask: more than any machine of a few cores admits


def rate_alone(profile, model):
    """Requests a second that one executor answers at full depth, in the best batches, by the median."""
    stages = collections.defaultdict(list)
    for entry in profile["execution"]:
        if entry["model"] == model:
            stages[entry["stage"]].append(entry["p50_us"] / entry["batch"])
    return 1e6 / sum(min(times) for times in stages.values())


def asked(what, wanted, reached, is_met):
    print(f"{what:<58} asked {wanted:<22} reached {reached:<22} {'met' if is_met else 'NOT MET'}")


class Account:
    """Reads a trace and tells what executors did and why promised frames were late."""

    def __init__(self, header, duration_ns):
        overheads = header["table"]["overheads"]
        self.dispatch, self.wake = overheads["dispatch_ns"], overheads["wake_p99_ns"]
        models, categories = header["catalog"]["models"], header["catalog"]["categories"]
        self.is_mandatory = [c["stage"] < models[c["model"]]["mandatory_count"] for c in categories]
        self.task_of, self.contract, self.released, self.batches = {}, {}, {}, {}
        self.timer = None
        self.begin, self.duration_ns = None, duration_ns  # while promised frames come
        self.causes = collections.deque()  # (when, what)
        self.mandatory_ns = self.optional_ns = self.other_ns = self.batch_count = self.over_count = 0
        self.used = []  # of the bound, by each promised frame that was answered
        self.promised = self.kept = 0
        self.late = collections.Counter()

    def event(self, line):
        at, kind = line["at_ns"], line["kind"]
        if kind == "task_submitted":
            self.contract[line["task"]] = line
        elif kind == "job_released" and "task" in line:
            self.task_of[line["job"]] = line["task"]
            self.begin = at if self.begin is None else self.begin
            self.released[line["job"]] = at
        elif kind == "timer_fired" and self.timer is not None and at > self.timer + self.wake:
            self.causes.append((at, "a timer that fired late"))
        elif kind == "batch_finished":
            self.finished(at, line)
        for command in line.get("commands", ()):
            if command["kind"] == "set_timer":
                self.timer = command["timer_at_ns"]
            elif command["kind"] == "start_batch":
                self.batches[command["batch"]] = command
            elif command["kind"] == "settle_job":
                self.settled(at, command)

    def finished(self, at, line):
        batch = self.batches.pop(line["batch"], None)
        if batch is None or self.begin is None or at > self.begin + self.duration_ns:
            return
        took = line["execution_ns"]
        self.batch_count += 1
        if not any(job in self.task_of for job in batch["jobs"]):
            self.other_ns += took
        elif self.is_mandatory[batch["category"]]:
            self.mandatory_ns += took
        else:
            self.optional_ns += took
        if took + self.dispatch > batch["planned_ns"] > 0:
            self.over_count += 1
            self.causes.append((at, "a batch that took longer than its table"))

    def settled(self, at, command):
        task = self.task_of.pop(command["job"], None)
        came = self.released.pop(command["job"], None)
        if task is None or command.get("frame") is None or task not in self.contract:
            return
        contract = self.contract[task]
        if "first_release_ns" not in contract:
            return
        due = contract["first_release_ns"] + command["frame"] * contract["min_inter_arrival_ns"]
        if came > due + contract["release_jitter_max_ns"]:
            return  # later than its contract: nothing was promised
        self.promised += 1
        if command["outcome"] in ("on_time", "late"):
            self.used.append((at - max(due, came)) / contract["relative_deadline_ns"])
        if command["outcome"] == "on_time":
            self.kept += 1
            return
        while self.causes and self.causes[0][0] < at - 10 * LOOK_BACK_NS:
            self.causes.popleft()
        found = {what for when, what in self.causes if when >= came - LOOK_BACK_NS}
        self.late[" and ".join(sorted(found)) or "nothing that the trace shows"] += 1


def read_trace(path, duration_ns):
    with open(path, encoding="utf-8") as file:
        account = Account(json.loads(next(file)), duration_ns)
        for text in file:
            line = json.loads(text)
            if "at_ns" in line:
                account.event(line)
    return account


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laxity", type=pathlib.Path, default=ROOT / "build/release/bin/laxity")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--policy", default="laxity")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", type=pathlib.Path, help="used; made if there is none")
    parser.add_argument("--keep-trace", type=pathlib.Path, help="leave the trace here")
    arguments = parser.parse_args()
    laxity = arguments.laxity.resolve()
    os.chdir(ROOT)
    duration_s = max(3, round(60 * arguments.minutes))
    with tempfile.TemporaryDirectory(prefix="laxity-promise-") as name:
        folder = pathlib.Path(name)
        config = folder / "laxity.toml"
        config.write_text(f'models = "{ROOT / "models"}"\n[limits]\nbatch_size_max = {demo.BATCH_SIZE_MAX}\n'
                          f'trace_size_max_mb = {TRACE_MB_MAX}\n')
        profile_file = arguments.profile.resolve() if arguments.profile else folder / "profile.json"
        trace = arguments.keep_trace.resolve() if arguments.keep_trace else folder / "trace.jsonl"
        if not profile_file.exists():
            demo.run_json([laxity, "profile", "--config", config, "--json", "--out", profile_file])
        flood_per_s = FLOOD_FACTOR * rate_alone(json.loads(profile_file.read_text()), demo.MODELS[0])
        scenario = demo.write_promise(folder, CANDIDATES, duration_s, arguments.seed, flood_per_s)
        server = demo.Server(laxity, config, arguments.policy, profile_file, ["--trace", str(trace)])
        try:
            document = demo.run_json([laxity, "load", scenario, "--url", server.url, "--json", "--core", "0",
                                      "--until-refused", "--margin-ms", str(demo.PROMISE_MARGIN_MS)])
        finally:
            server.stop()
        account = read_trace(trace, duration_s * 1_000_000_000)

    run, machine = document["runs"][0], document["machine"]
    run["policy"] = arguments.policy
    print(f"# promise_bench.py --policy {arguments.policy} --minutes {arguments.minutes:g} "
          f"--seed {arguments.seed}\n# {flood_per_s:.0f} best-effort requests a second\n"
          f"# {machine['cpu']}, {machine['cores']} cores, {machine['engine']}")
    print(demo.promise_table([run]))
    missed = account.promised - account.kept
    over = demo.percent(account.over_count, account.batch_count)
    print(f"as the server saw it: {account.promised} promised frames, {missed} late; "
          f"{account.over_count} of {account.batch_count} batches ({over:.2f} %) took longer than the table")
    for cause, count in account.late.most_common():
        print(f"    {count} after {cause}")
    totals = run["totals"]
    rate = demo.percent(totals["kept"], totals["promised"])
    asked("promised frames answered in time, at the client", ">= 99.9 %", f"{rate:.3f} %", rate >= 99.9)
    unexplained = account.late["nothing that the trace shows"]
    asked("misses that the trace does not explain", "0", str(unexplained), unexplained == 0)
    used = sorted(account.used)
    if used:
        at_999 = used[min(len(used) - 1, len(used) * 999 // 1000)]
        print(f"an answer took {sum(used) / len(used):.2f} of its bound in the mean, "
              f"{used[len(used) // 2]:.2f} in the median, {used[-1]:.2f} at most")
        asked("of its bound an answer took, at p99.9, at the server", "<= 1", f"{at_999:.3f}", at_999 <= 1)
    # What promises leave is the time that their mandatory stages do not take.
    left = duration_s * 1e9 - account.mandatory_ns
    share = demo.percent(account.other_ns, left)
    print(f"promised stages took {demo.percent(account.mandatory_ns, duration_s * 1e9):.1f} % of the "
          f"executor; of the rest, best effort {share:.1f} %, "
          f"deeper stages {demo.percent(account.optional_ns, left):.1f} %")
    asked("best effort, of the time that promises left", ">= 80 %", f"{share:.1f} %", share >= 80)
    return 0


if __name__ == "__main__":
    sys.exit(main())
