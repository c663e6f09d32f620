#!/usr/bin/env python3
"""DeepRT's comparison on this machine: a real server, the networks that ship, real pictures over loopback.

    live.py --laxity build/release/bin/laxity --out LIVE.json [--seed 1] [--seconds 10] [--command TEXT]

Profiles the machine, draws requests as the paper does (period and deadline independent, each from Gamma(2, 5)
scaled to a mean), lets DeepRT's admission choose among them, and plays the chosen ones, the same to every
policy, each on a server of its own; then streams that ask one after the other until one is refused. The
simulator gets the same scenarios and the same profile. Client and network share core 0, networks run on core
1. Leave the machine alone meanwhile. About five minutes.
"""
import argparse
import json
import os
import pathlib
import random
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from live_runs import MODELS, SAMPLES, Server, fail, run_json, say  # noqa: E402

BATCH_SIZE_MAX = 8
REQUESTS = 24           # a trace; the paper has 20 to 30
CANDIDATES = 300        # streams that ask until one is refused: more than any policy takes
REFUSAL_SECONDS = 3
MARGIN_MS = 2.0         # of the client: what its sending and hearing may take, on either side of the contract
SHORTEST_MS = 5.0       # of a period
SETTINGS = (("L1", 10), ("L2", 25))  # mean period and deadline, as multiples of a mean network's time alone
# Label, policy, its options; concurrent instances of a network need executors of their own, here is one. As
# in the paper's comparison, DeepRT does not adapt.
CONTENDERS = (
    ("DeepRT", "deeprt", {"adaptation": 0}),
    ("SEDF", "sedf", {}),
    ("BATCH", "batch", {"batch_size": 2}),
    ("BATCH-Delay", "batch-delay", {}),
    ("AIMD", "aimd", {}),
    ("AIMD that waits", "aimd", {"objective": 1, "wait_us": 1_000_000}),
    ("laxity", "laxity", {}))
ADMITTING = ("DeepRT", "SEDF", "laxity")


def network_ms(profile, model):
    """p99 of one picture through all stages, decoding included."""
    stages = sum(e["p99_us"] for e in profile["execution"] if e["model"] == model and e["batch"] == 1)
    decoding = sum(s["p99_us"] for s in profile["segments"]
                   if s["model"] == model and s["segment"] == "preprocess")
    if stages <= 0:
        fail(f"the profile has no times of {model}")
    return (stages + decoding) / 1e3


def draw_streams(rng, mean_ms, count):
    """(model, period, deadline, phase): as the paper's requests, but all are there from the start."""
    streams = []
    for _ in range(count):
        period = max(SHORTEST_MS, rng.gammavariate(2, mean_ms / 2))
        deadline = max(SHORTEST_MS + 2 * MARGIN_MS, rng.gammavariate(2, mean_ms / 2))
        streams.append((rng.choice(MODELS), period, deadline, rng.uniform(0, period)))
    return streams


def write_scenario(path, name, streams, seconds, seed, as_contract=False):
    """`as_contract`: what `laxity load` asks for, its margin taken off. Late frames are wanted too."""
    margin = MARGIN_MS if as_contract else 0.0
    text = [f'name = "{name}"', f"duration_s = {seconds}", f"seed = {seed}", ""]
    for number, model, period, deadline, phase in streams:
        frames = max(1, int((1e3 * seconds - phase) / period))
        text += ["[[task]]", f'name = "r{number}"', f'model = "{model}"', 'arrival = "periodic"',
                 f"period_ms = {period:.6f}", f"phase_ms = {phase:.6f}", f"jitter_ms = {margin:.6f}",
                 f"deadline_ms = {deadline - margin:.6f}", 'kind = "soft"', f"frames = {frames}",
                 f'input = "{SAMPLES[model]}"', 'admission = "stream"', 'on_refusal = "skip"', ""]
    path.write_text("\n".join(text))
    return path


class Bench:
    def __init__(self, laxity, folder, seed):
        self.laxity, self.folder, self.seed = laxity, folder, seed
        self.configs = {label: self.write_config(label, policy, options)
                        for label, policy, options in CONTENDERS}
        self.profile_file = folder / "profile.json"
        self.machine = None

    def write_config(self, label, policy, options):
        path = self.folder / f"{label}.toml".replace(" ", "-")
        pairs = ", ".join(f"{key} = {value}" for key, value in options.items())
        path.write_text(f'models = "{ROOT / "models"}"\npolicy = "{policy}"\npolicy_options = {{ {pairs} }}\n'
                        f"[limits]\nbatch_size_max = {BATCH_SIZE_MAX}\nqueue_length_max = 32768\n"
                        "[http]\nconnections_max = 4096\n")
        return path

    def profile(self):
        return run_json([self.laxity, "profile", "--config", self.configs["DeepRT"], "--json", "--out",
                         self.profile_file])

    def admitted(self, label, scenario):
        """Verdicts in order, as a server with this profile gives them."""
        policy = next(p for name, p, _ in CONTENDERS if name == label)
        answer = run_json([self.laxity, "admit", scenario, "--policy", policy, "--config",
                           self.configs[label], "--profile", self.profile_file, "--json"], statuses=(0, 1))
        return [stream["admitted"] for stream in answer["streams"]]

    def live(self, label, scenario, more=()):
        policy = next(p for name, p, _ in CONTENDERS if name == label)
        with Server(self.laxity, self.configs[label], policy, self.profile_file) as server:
            document = run_json([self.laxity, "load", scenario, "--url", server.url, "--json", "--core", "0",
                                 "--connections", "4000", "--margin-ms", str(MARGIN_MS), *more])
        self.machine = document["machine"]
        return document["runs"][0]

    def simulated(self, label, scenario):
        policy = next(p for name, p, _ in CONTENDERS if name == label)
        document = run_json([self.laxity, "simulate", scenario, "--policy", policy, "--config",
                             self.configs[label], "--profile", self.profile_file, "--json",
                             "--seed", str(self.seed)])
        return document["runs"][0]


def kept(run):
    """What the page shows of a run; responses beside the bounds that were given at admission."""
    totals = run["totals"]
    frames = totals["jobs"] - totals["rejected"] - totals["cancelled"]
    bounded = [(task["response_ms"], task["admission"]["response_time_bound_ms"]) for task in run["tasks"]
               if task.get("admission") and task["admission"].get("response_time_bound_ms")]
    bounded = [(response, bound) for response, bound in bounded if response["p999"] is not None]
    return {"streams_asked": totals["tasks_asked"], "streams": totals["tasks_admitted"], "frames": frames,
            "missed": totals["late"] + totals["dropped"] + totals["failed"],
            "overdue_ms": totals["lateness_ms"],
            "answers_per_s": (totals["on_time"] + totals["late"]) / run["duration_s"],
            "batch_size": totals["batch_size_mean"], "depth": totals["depth_mean"],
            "promised": totals["promised"], "kept": totals["kept"],
            "send_lag_p99_ms": (totals["send_lag_ms"] or {}).get("p99"),
            "bound_streams": len(bounded),
            "bound_streams_p999_over": sum(response["p999"] > bound for response, bound in bounded),
            "bound_share_p50": max((r["p50"] / b for r, b in bounded), default=None),
            "bound_share_p999": max((r["p999"] / b for r, b in bounded), default=None)}


def compare(bench, name, mean_ms, rng, seconds):
    asked = [(i, *stream) for i, stream in enumerate(draw_streams(rng, mean_ms, REQUESTS))]
    contract = write_scenario(bench.folder / f"{name}-asked.toml", name, asked, seconds, bench.seed,
                              as_contract=True)
    verdicts = bench.admitted("DeepRT", contract)
    chosen = [stream for stream, is_admitted in zip(asked, verdicts) if is_admitted]
    if not chosen:
        fail(f"{name}: DeepRT admits none of {len(asked)} requests on this machine")
    scenario = write_scenario(bench.folder / f"{name}.toml", name, chosen, seconds, bench.seed)
    rows = []
    for label, _, _ in CONTENDERS:
        live, simulated = kept(bench.live(label, scenario)), kept(bench.simulated(label, scenario))
        rows.append({"label": label, "live": live, "simulated": simulated})
        say(f"   {name} {label:16}{live['missed']:6} of {live['frames']} missed live, "
            f"{simulated['missed']} simulated")
    # What it makes of all who ask, beside what DeepRT chose.
    everybody = write_scenario(bench.folder / f"{name}-all.toml", name, asked, seconds, bench.seed)
    rows.append({"label": "laxity, all requests", "live": kept(bench.live("laxity", everybody)),
                 "simulated": kept(bench.simulated("laxity", everybody))})
    return {"setting": name, "mean_ms": mean_ms, "asked": len(asked), "chosen": len(chosen), "rows": rows}


def until_refused(bench, name, mean_ms, rng, alone_ms):
    # One that DeepRT could not serve alone, its network in half of the deadline, says nothing.
    streams = [(i, *stream) for i, stream in enumerate(draw_streams(rng, mean_ms, CANDIDATES))
               if alone_ms[stream[0]] < (stream[2] - MARGIN_MS) / 2]
    contract = write_scenario(bench.folder / f"{name}-ask.toml", name, streams, REFUSAL_SECONDS, bench.seed,
                              as_contract=True)
    scenario = write_scenario(bench.folder / f"{name}-refusal.toml", name, streams, REFUSAL_SECONDS,
                              bench.seed)
    counts = {}
    for label in ADMITTING:
        run = bench.live(label, scenario, ["--until-refused"])
        verdicts = bench.admitted(label, contract)
        counts[label] = {"live": run["totals"]["tasks_admitted"],
                         "off_line": verdicts.index(False) if False in verdicts else len(verdicts)}
        say(f"   {name} {label:16}{counts[label]['live']:6} streams until the first refusal")
    return {"setting": name, "mean_ms": mean_ms, "counts": counts}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laxity", type=pathlib.Path, default=ROOT / "build/release/bin/laxity")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--command", default="experiments/deeprt/live.py")
    arguments = parser.parse_args()
    laxity, out = arguments.laxity.resolve(), arguments.out.resolve()
    os.chdir(ROOT)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="laxity-deeprt-live-") as folder:
        bench = Bench(laxity, pathlib.Path(folder), arguments.seed)
        say("live: profiling the networks that ship")
        profile = bench.profile()
        alone_ms = {model: network_ms(profile, model) for model in MODELS}
        mean_alone = sum(alone_ms.values()) / len(alone_ms)
        rng = random.Random(arguments.seed)
        comparisons, refusals = [], []
        for name, factor in SETTINGS:
            mean_ms = round(factor * mean_alone)
            comparisons.append(compare(bench, name, mean_ms, rng, arguments.seconds))
            refusals.append(until_refused(bench, name, mean_ms, rng, alone_ms))
        document = {"schema": "laxity.deeprt-live/1", "command": arguments.command,
                    "machine": {**bench.machine, "engine": profile["engine"]},
                    "seed": arguments.seed, "seconds_a_run": arguments.seconds,
                    "refusal_seconds": REFUSAL_SECONDS, "margin_ms": MARGIN_MS,
                    "took_s": round(time.monotonic() - started), "alone_ms": alone_ms,
                    "comparison": comparisons, "first_refusals": refusals}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
