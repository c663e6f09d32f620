"""The page's section on live runs, from what live.py measured last."""
import json

from page_tables import table


def text(path):
    if not path.exists():
        return "Not run yet: `experiments/deeprt/run.sh --live` makes this section."
    live = json.loads(path.read_text(encoding="utf-8"))
    parts = [measured_how(live)]
    for setting in live["comparison"]:
        parts.append(f"**{setting['setting']}**, mean period and deadline {setting['mean_ms']} ms: DeepRT "
                     f"admits {setting['chosen']} of {setting['asked']} requests.")
        parts.append(comparison(setting))
    parts.append("Streams until the first refusal, of a longer list: live / by `laxity admit` with the same "
                 "profile.")
    parts.append(first_refusals(live["first_refusals"]))
    parts.append("Live responses beside the bounds that were given at admission. The last two columns are of "
                 "the stream that comes closest to its bound, or exceeds it most.")
    parts.append(bounds(live["comparison"]))
    return "\n\n".join(parts)


def summary(path):
    if not path.exists():
        return "The same comparison with real networks has not been run yet."
    live = json.loads(path.read_text(encoding="utf-8"))
    apart = [abs(row["live"]["missed"] / row["live"]["frames"] -
                 row["simulated"]["missed"] / row["simulated"]["frames"])
             for setting in live["comparison"] for row in setting["rows"]]
    return ("With real networks on two cores of this machine the comparison comes out alike; the simulator "
            f"is\n  within {100 * max(apart):.1f} points of every miss rate measured.")


def measured_how(live):
    machine = live["machine"]
    lags = [row["live"]["send_lag_p99_ms"] for setting in live["comparison"] for row in setting["rows"]]
    alone = ", ".join(f"{name} {ms:.1f} ms" for name, ms in live["alone_ms"].items())
    return (f"Measured by `{live['command']}` in {live['took_s']} s on {machine['cpu']}, {machine['cores']} "
            f"cores, {machine['engine']};\nseed {live['seed']}, {live['seconds_a_run']:g} s a run. One "
            f"picture through a whole network, p99: {alone}. The client was\nlate itself by at most "
            f"{max(lags):.1f} ms at p99 of a run. Cells read *live / simulated*.")


def comparison(setting):
    return table(["policy", "streams", "frames", "missed, %", "overdue, ms: median", "99 %", "largest",
                  "answers/s", "batch", "stages"], [comparison_row(row) for row in setting["rows"]])


def comparison_row(row):
    def pair(show):
        return f"{show(row['live'])} / {show(row['simulated'])}"

    def overdue(which):
        def show(run):
            ms = run["overdue_ms"][which]
            return "–" if ms is None else f"{ms:.1f}"
        return pair(show)

    return [row["label"], pair(lambda run: run["streams"]), pair(lambda run: run["frames"]),
            pair(lambda run: f"{100 * run['missed'] / max(1, run['frames']):.2f}"),
            overdue("p50"), overdue("p99"), overdue("max"), pair(lambda run: f"{run['answers_per_s']:.0f}"),
            pair(lambda run: f"{run['batch_size'] or 0:.2f}"), pair(lambda run: f"{run['depth'] or 0:.2f}")]


def first_refusals(refusals):
    labels = list(refusals[0]["counts"])
    rows = [[f"{one['setting']}, {one['mean_ms']} ms"] +
            [f"{one['counts'][label]['live']} / {one['counts'][label]['off_line']}" for label in labels]
            for one in refusals]
    return table(["mean period and deadline"] + labels, rows)


def bounds(settings):
    rows = []
    for setting in settings:
        for row in setting["rows"]:
            run = row["live"]
            if run["bound_streams"] == 0:
                continue
            rows.append([f"{setting['setting']}, {row['label']}", run["bound_streams"],
                         f"{run['promised'] - run['kept']} of {run['promised']}",
                         f"{run['bound_streams_p999_over']} of {run['bound_streams']}",
                         f"{run['bound_share_p50']:.2f}", f"{run['bound_share_p999']:.2f}"])
    return table(["run", "streams with a bound", "promised frames late", "streams whose p99.9 is over",
                  "median / bound", "p99.9 / bound"], rows)
