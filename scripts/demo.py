#!/usr/bin/env python3
"""What scripts/demo.sh runs: profile, serve, play, simulate, promise. Standard library only."""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from live_runs import MODELS, SAMPLES, Server, fail, percent, run_json, say

POLICIES = ["fifo", "edf", "deeprt"]
LOADS = [0.5, 0.9, 1.5]
FPS = 30
DEADLINES_MS = (20, 100)  # every second camera is tight, the others are loose
JITTER_MS = 5
BATCH_SIZE_MAX = 8
CONNECTIONS_MAX = 8000  # under overload a blind policy keeps thousands of requests waiting

# The promise: cameras ask one after the other, beside clients that take whatever is left of the machine.
PROMISE_POLICIES = ["laxity", "deeprt"]
PROMISE_DEADLINE_MS = 25
PROMISE_JITTER_MS = 3
PROMISE_MARGIN_MS = 2   # of the client: from the moment it means to send until the server has the request
PROMISE_CANDIDATES = 2.5  # of what is served at full depth: promises cover the mandatory stages only
FLOOD_CLIENTS = 32      # each has a best-effort request out at any time


def capacity_per_s(profile):
    """Frames a second of the demo's mix: each model and each deadline alike (docs/model.md, Capacity)."""
    seconds_per_frame = 0.0
    for model in MODELS:
        for deadline in DEADLINES_MS:
            rates = [c["rate_per_s"] for c in profile["capacity"]
                     if c["model"] == model and c["deadline_ms"] == deadline]
            if not rates or rates[0] <= 0:
                fail(f"{model} cannot answer within {deadline} ms on this machine at all")
            seconds_per_frame += 1 / rates[0]
    return len(MODELS) * len(DEADLINES_MS) / seconds_per_frame


def write_scenario(folder, load, cameras, duration_s, seed):
    """Camera i is tight or loose by turns, and of one model or the other by pairs; phases are spread."""
    text = [f'name = "{cameras} cameras, {load:.0%} load"', f"duration_s = {duration_s}", f"seed = {seed}",
            f"load_fraction = {load}", ""]
    for camera in range(cameras):
        model = MODELS[(camera // 2) % 2]
        text += ["[[task]]", f'name = "cam-{camera}"', f'model = "{model}"', 'arrival = "periodic"',
                 f"period_ms = {1000 / FPS:.6f}", f"phase_ms = {1000 / FPS * camera / cameras:.6f}",
                 f"jitter_ms = {JITTER_MS}", f"deadline_ms = {DEADLINES_MS[camera % 2]}",
                 'kind = "firm"', f'input = "{SAMPLES[model]}"', 'admission = "request"', ""]
    path = folder / f"load-{load:.0%}.toml".replace("%", "")
    path.write_text("\n".join(text))
    return path


def write_promise(folder, cameras, duration_s, seed, flood_per_s=None):
    """More cameras than can be promised, models by turns; the first that is refused takes the offer.

    Beside them best-effort requests without end: so many a second, or from clients that wait for each answer.
    """
    text = ['name = "promised cameras and a flood"', f"duration_s = {duration_s}", f"seed = {seed}", ""]
    for camera in range(cameras):
        model = MODELS[camera % len(MODELS)]
        text += ["[[task]]", f'name = "cam-{camera}"', f'model = "{model}"', 'arrival = "periodic"',
                 f"period_ms = {1000 / FPS:.6f}",
                 f"phase_ms = {(1000 / FPS * camera * 0.618) % (1000 / FPS):.6f}",
                 f"jitter_ms = {PROMISE_JITTER_MS}", f"deadline_ms = {PROMISE_DEADLINE_MS}", 'kind = "firm"',
                 f"frames = {int(FPS * duration_s)}",
                 f'input = "{SAMPLES[model]}"', 'admission = "stream"', 'on_refusal = "take-offer"', ""]
    arrival = (['arrival = "poisson"', f"rate_per_s = {flood_per_s:.1f}"] if flood_per_s else
               ['arrival = "closed-loop"', f"clients = {FLOOD_CLIENTS}"])
    text += ["[[task]]", 'name = "flood"', f'model = "{MODELS[0]}"', *arrival, 'kind = "best-effort"',
             f'input = "{SAMPLES[MODELS[0]]}"', ""]
    path = folder / "promise.toml"
    path.write_text("\n".join(text))
    return path


def on_time_rate(run):
    totals = run["totals"]
    return percent(totals["on_time"], totals["jobs"])


COLUMNS = "{:8}{:>6}{:>7}{:>9}{:>7}{:>9}{:>9}{:>9}{:>9}{:>10}{:>12}"


def table(live, simulated):
    rows = [COLUMNS.format("policy", "load", "sent", "on time", "late", "dropped", "p50 ms", "p99 ms",
                           "max ms", "accuracy", "simulated")]
    for run, twin in zip(live, simulated):
        t = run["totals"]
        ms = t["response_ms"]
        accuracy = t.get("accuracy_all")
        rows.append(COLUMNS.format(
            run["policy"], f"{run['load_fraction']:.0%}", t["jobs"], f"{on_time_rate(run):.1f} %", t["late"],
            t["dropped"] + t["rejected"] + t["failed"], *(f"{ms[p] or 0:.1f}" for p in ("p50", "p99", "max")),
            "–" if accuracy is None else f"{accuracy:.3f}", f"{on_time_rate(twin):.1f} %"))
    return "\n".join(rows)


def meaning(live, simulated):
    """One sentence on what the table says, from its own numbers."""
    rate = {(run["policy"], run["load_fraction"]): on_time_rate(run) for run in live}
    worst = max(abs(on_time_rate(a) - on_time_rate(b)) for a, b in zip(live, simulated))
    possible = 100 / LOADS[-1]
    over = LOADS[-1]
    return (f"At {over:.0%} of what this machine can do, {possible:.0f} % can be in time at full depth:\n"
            f"edf answered {rate['edf', over]:.1f} % in time, deeprt (without admission) "
            f"{rate['deeprt', over]:.1f} %, fifo {rate['fifo', over]:.1f} %;\n"
            f"the simulator was within {worst:.1f} percentage points of the live runs.")


def streams_of(run):
    return [task for task in run["tasks"] if task["tasks_asked"]]


def offer_of(stream):
    """What the stream took instead: "deadline 30 ms", "period 40 ms"; none: no offer that was admitted."""
    if not stream["tasks_admitted"]:
        return None
    for offer in stream["admission"]["would_admit"]:
        if "deadline_ms" in offer:
            return f"deadline {offer['deadline_ms']:.0f} ms"
        return f"period {offer['period_ms']:.0f} ms"
    return None


def depth_of(streams):
    """Mean number of stages behind an answer; 0 without answers."""
    answered = [(s["on_time"] + s["late"], s["depth_mean"] or 0) for s in streams]
    whole = sum(count for count, _ in answered)
    return sum(count * depth for count, depth in answered) / whole if whole else 0.0


PROMISE_COLUMNS = "{:8}{:>7}{:>10}{:>10}{:>18}{:>10}{:>8}{:>9}{:>9}{:>9}{:>8}{:>16}"


def promise_table(runs):
    rows = [PROMISE_COLUMNS.format("policy", "asked", "admitted", "promise", "refused takes", "promised",
                                   "kept", "missed", "p99 ms", "max ms", "depth", "best-effort /s")]
    for run in runs:
        streams = streams_of(run)
        refused = [s for s in streams if s["admission"]["refusal"]]
        admitted = [s for s in streams if s["tasks_admitted"]]
        promised, kept = run["totals"]["promised"], run["totals"]["kept"]
        worst = [s["response_ms"] for s in admitted if not s["admission"]["refusal"]]
        flood = run["tasks"][-1]
        rows.append(PROMISE_COLUMNS.format(
            run["policy"], len(streams), len(streams) - len(refused),
            admitted[0]["admission"]["guarantee"] if admitted else "–",
            (offer_of(refused[0]) or "nothing") if refused else "–", promised, kept, promised - kept,
            f"{max((w['p99'] or 0 for w in worst), default=0):.1f}",
            f"{max((w['max'] or 0 for w in worst), default=0):.1f}",
            f"{depth_of(admitted):.2f}", f"{flood['on_time'] / run['duration_s']:.0f}"))
    return "\n".join(rows)


def promise_meaning(runs):
    """One sentence a policy, from its own numbers."""
    lines = []
    for run in runs:
        streams, totals = streams_of(run), run["totals"]
        refused = [s for s in streams if s["admission"]["refusal"]]
        promised, missed = totals["promised"], totals["promised"] - totals["kept"]
        kept = "every one of them" if missed == 0 else f"all but {missed} of them"
        text = (f"{run['policy']} promised {len(streams) - len(refused)} cameras an answer within "
                f"{PROMISE_DEADLINE_MS} ms")
        if promised == 0:
            lines.append(f"{run['policy']} took {len(streams)} cameras and promised nothing.")
            continue
        if refused:
            text += ", refused the next one"
            offer = offer_of(refused[0])
            if offer:
                text += f", which took a {offer.replace(' ', ' of ', 1)} instead"
        lines.append(f"{text};\nof {promised} frames promised, {kept} came in time beside {FLOOD_CLIENTS} "
                     "best-effort clients.")
    lines.append("What laxity promises is a network's first exit; deeper ones it reaches where there is\n"
                 "room (depth). deeprt promises whole networks.")
    if any(run["totals"]["promised"] > run["totals"]["kept"] for run in runs):
        lines.append("A promised frame is missed when a batch takes longer than the table's p99 or a thread\n"
                     "wakes late; `laxity serve --trace` names each.")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo.sh")
    parser.add_argument("--laxity", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--full", action="store_true", help="20 s a run instead of 2.5 s")
    parser.add_argument("--keep", action="store_true", help="leave a server running afterwards")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    laxity = arguments.laxity.resolve()
    root = pathlib.Path(__file__).resolve().parent.parent
    os.chdir(root)
    duration_s = 20 if arguments.full else 2.5

    with tempfile.TemporaryDirectory(prefix="laxity-demo-") as name:
        folder = pathlib.Path(name)
        config = folder / "laxity.toml"
        config.write_text(f'models = "{root / "models"}"\n'
                          f'[limits]\nbatch_size_max = {BATCH_SIZE_MAX}\nqueue_length_max = 32768\n'
                          f'[http]\nconnections_max = {CONNECTIONS_MAX + 100}\n')
        profile_file = folder / "profile.json"

        say("1. How long do the shipped networks take on this machine?")
        deadlines = [word for d in DEADLINES_MS for word in ("--deadline-ms", str(d))]
        profile = run_json([laxity, "profile", "--config", config, "--quick", "--json", "--out", profile_file,
                            *deadlines])
        capacity = capacity_per_s(profile)
        say(f"   capacity of the mix: {capacity:.0f} frames a second, {capacity / FPS:.1f} cameras of "
            f"{FPS} fps\n")

        scenarios = []
        for load in LOADS:
            cameras = max(1, round(load * capacity / FPS))
            scenarios.append(write_scenario(folder, load, cameras, duration_s, arguments.seed))
        live, simulated, machine = [], [], None
        say(f"2. Cameras play real pictures, {duration_s} s a run; deadlines of {DEADLINES_MS[0]} ms and "
            f"{DEADLINES_MS[1]} ms by turns")
        for policy in POLICIES:
            server = Server(laxity, config, policy, profile_file)
            try:
                for scenario in scenarios:
                    document = run_json([laxity, "load", scenario, "--url", server.url, "--json",
                                         "--connections", str(CONNECTIONS_MAX), "--core", "0"])
                    machine = document["machine"]
                    for run in document["runs"]:
                        run["policy"] = policy
                        live.append(run)
                        say(f"   {policy:7}{run['scenario']:28} {on_time_rate(run):5.1f} % on time")
            finally:
                server.stop()
        for policy in POLICIES:
            document = run_json([laxity, "simulate", *scenarios, "--policy", policy, "--config", config,
                                 "--profile", profile_file, "--json", "--seed", str(arguments.seed)])
            simulated += document["runs"]

        candidates = max(2, round(PROMISE_CANDIDATES * capacity / FPS))
        promise = write_promise(folder, candidates, duration_s, arguments.seed)
        promised = []
        say(f"\n3. Cameras of {FPS} fps ask, one after the other, to be answered within "
            f"{PROMISE_DEADLINE_MS} ms, until one is refused")
        for policy in PROMISE_POLICIES:
            server = Server(laxity, config, policy, profile_file)
            try:
                document = run_json([laxity, "load", promise, "--url", server.url, "--json",
                                     "--until-refused", "--margin-ms", str(PROMISE_MARGIN_MS), "--core", "0"])
            finally:
                server.stop()
            run = document["runs"][0]
            run["policy"], run["part"] = policy, "promise"
            promised.append(run)
            say(f"   {policy:7}{run['totals']['tasks_admitted']:3} admitted, {run['totals']['kept']} of "
                f"{run['totals']['promised']} promised frames on time")

        if arguments.json:
            print(json.dumps({"schema": "laxity.result/1", "command": "demo", "machine": machine,
                              "runs": live + simulated + promised}))
        else:
            print("\nLive, with the simulator's on-time rate from the same profile beside it\n")
            print(table(live, simulated))
            print("\n" + meaning(live, simulated) + "\n")
            print("Promises, live\n\n" + promise_table(promised) + "\n")
            print(promise_meaning(promised) + "\n")
            print("Next: serve your own network   laxity serve --models DIR   (a folder with an .onnx file)\n"
                  "      set it up your way       laxity serve --help, docs/configuration.md\n"
                  "      try it in virtual time   laxity simulate scenarios/eight_cameras.toml\n"
                  "      ask for a promise        laxity admit scenarios/promised_cameras.toml")
            print(f"      (laxity is {arguments.laxity})")
        if arguments.keep:
            kept_profile = root / "build" / "demo-profile.json"
            kept_profile.write_bytes(profile_file.read_bytes())
            command = [str(laxity), "serve", "--models", "models", "--profile", str(kept_profile)]
            process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            say(f"kept on http://127.0.0.1:8000: {' '.join(command)}\nstop it with: kill {process.pid}")


if __name__ == "__main__":
    main()
