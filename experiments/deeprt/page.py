#!/usr/bin/env python3
"""Makes docs/results/deeprt.md and its charts of what deeprt_study printed.

    page.py RESULTS.json --out docs/results [--command TEXT] [--machine TEXT]

Numbers come from the results alone; the words between them from notes.md beside this file.
"""
import argparse
import json
import pathlib
import re
import sys

import live_section
import svg
from page_tables import column, mean, middle_range, spread, table

HERE = pathlib.Path(__file__).resolve().parent

# Read off the paper's plots by eye (sections 6.2 to 6.6).
PAPER_MISSES = {  # %, DeepRT, BATCH, BATCH-Delay, AIMD (Clipper)
    "T1": (5, 19, 17, 28), "T2": (2, 22, 13, 25), "T3": (2, 9, 6, 23),
    "T1'": (5, 17, 8, 25), "T2'": (1, 10, 6, 23), "T3'": (1, 7, 5, 17)}
PAPER_AT_ONCE = {  # DeepRT, SEDF
    "T1": (4, 4), "T2": (10, 7), "T3": (16, 12), "T1'": (6, 5), "T2'": (13, 11), "T3'": (15, 8)}
PAPER_IMAGES = {
    "T1": (79, 77), "T2": (75, 69), "T3": (64, 46), "T1'": (18, 16), "T2'": (28, 25), "T3'": (28.5, 17)}
PAPER_ADMISSION_MS = {100: 1, 1_000: 15, 10_000: 150, 100_000: 1_500}
PAPER_OVERRUNS = {  # misses with, without adaptation
    "desktop": {100: (1, 5), 200: (12, 14), 500: (40, 42), 1000: (57, 92)},
    "TX2": {100: (1, 3), 200: (4, 9), 500: (23, 35), 1000: (54, 72)}}
# algorithms measured before, on another machine and with other seeds: DeepRT, then multiples of it.
EXPECTED_REFUSALS = {
    "RTX 2080, 4 categories, 50 ms": (3.5, 1.8, 2.2, 2.3, 3.0),
    "RTX 2080, 4 categories, 150 ms": (9.2, 1.5, 2.4, 2.5, 3.2),
    "RTX 2080, 4 categories, 250 ms": (19.1, 1.2, 2.0, 2.1, 2.7),
    "150 ms, D = T/2": (4.5, 3.5, 4.2, 4.6, 8.1),
    "150 ms, D = 2T": (17, 0.8, 1.4, 1.5, 1.8),
    "150 ms, D = 3T": (20, 0.7, 1.3, 1.4, 1.6),
    "E = 10 + 0.3n ms, 4 categories, 150 ms": (8.8, 1.1, 2.6, 3.5, 12),
    "E = 0.5 + 8n ms, 2 categories, 150 ms": (4.0, 2.7, 2.4, 2.7, 2.8),
    "cameras 15/25/30 fps, D = T": (5.1, 1.3, 1.7, 1.8, 2.1),
    "cameras 15/25/30 fps, D = 2T": (9.4, 0.7, 1.2, 1.3, 1.4)}


MARKS = "thick line: the paper, thin: middle 80 % of the seeds"


class Page:
    def __init__(self, results, out):
        self.results, self.out = results, out
        self.charts = out / "deeprt"
        self.charts.mkdir(parents=True, exist_ok=True)

    def chart(self, name, text, words):
        (self.charts / f"{name}.svg").write_text(text, encoding="utf-8")
        return f"![{words}](deeprt/{name}.svg)"

    def device(self):
        rows = [(n["network"], f"{n['alone_ms']:.1f}", f"{n['batch16_ms']:.0f}",
                 f"{n['batch4_model_ms']:.1f} / {n['batch4_paper_ms']:.1f}",
                 f"{n['four_instances_paper_ms']:.1f}", f"{n['four_instances_sum_ms']:.1f}",
                 f"{n['four_instances_product_ms']:.1f}",
                 f"{n['at_480x854_ms']:.0f}", f"{n['at_1080x1920_ms']:.0f}")
                for n in self.results["device"]["networks"]]
        return table(["network", "alone (table 1)", "batch of 16 (fig)", "batch of 4: ours / paper (fig)",
                      "four instances (fig)", "by sum", "by product", "one 480×854", "one 1080×1920"], rows)

    def misses(self):
        names = ["DeepRT", "BATCH", "BATCH-Delay", "AIMD"]
        rows, settings = [], self.results["comparison"]
        for s in settings:
            cells = [s["setting"]]
            for i, name in enumerate(names):
                values = column(s["on_deeprt_set"], name)["miss_percent"]
                cells.append(f"{spread(values)} · {PAPER_MISSES[s['setting']][i]}")
            cells.append(spread(column(s["own_admission"], "laxity")["miss_percent"], 3))
            rows.append(cells)
        series = []
        for i, name in enumerate(names + ["AIMD that waits"]):
            values = [column(s["on_deeprt_set"], name)["miss_percent"] for s in settings]
            ranges = [middle_range(v) for v in values]
            paper = min(i, len(names) - 1)  # both readings of AIMD beside the paper's one
            series.append((name, [mean(v) for v in values], [r[0] for r in ranges], [r[1] for r in ranges],
                           [PAPER_MISSES[s["setting"]][paper] for s in settings]))
        ours = [column(s["own_admission"], "laxity")["miss_percent"] for s in settings]
        series.append(("laxity (own admission)", [mean(v) for v in ours], None, None, None))
        chart = svg.bars(f"Deadline misses; {MARKS}", [s["setting"] for s in settings], series,
                         "missed frames, %")
        return (table(["trace", "DeepRT · paper", "BATCH · paper", "BATCH-Delay · paper", "AIMD · paper",
                       "laxity, own admission"], rows) + "\n\n" +
                self.chart("misses", chart, "Deadline misses by trace and policy, beside the paper's"))

    def variants(self):
        names = [c["label"] for c in self.results["comparison"][0]["on_deeprt_set"]]
        names = [n for n in names if n not in ("DeepRT", "BATCH", "BATCH-Delay", "AIMD")]
        rows = []
        for s in self.results["comparison"]:
            cells = [s["setting"]]
            for name in names:
                c = column(s["on_deeprt_set"], name)
                text = spread(c["miss_percent"])
                if name == "laxity":
                    given = mean(column(s["on_deeprt_set"], "DeepRT")["admitted"])
                    share = 100 * c["missed"] / max(1, c["frames"])
                    text = f"{share:.3f} (took {mean(c['admitted']):.1f} of {given:.1f})"
                cells.append(text)
            rows.append(cells)
        return table(["trace"] + names, rows)

    def overdue(self):
        rows, pictures, names = [], [], ["DeepRT", "BATCH", "BATCH-Delay", "AIMD", "AIMD that waits"]
        for s in self.results["comparison"]:
            cells = [s["setting"]]
            series = []
            for name in names:
                c = column(s["on_deeprt_set"], name)
                q = c["overdue_ms_quantiles"]
                cells.append(f"{q[50]:.0f} / {q[90]:.0f} / {q[-1]:.0f}" if q else "none late")
                if q:
                    series.append((name, [(v, i / 100) for i, v in enumerate(q)]))
            rows.append(cells)
            if s["setting"] in ("T1", "T2", "T3") and series:
                ends = sorted(pairs[90][0] for _, pairs in series)
                chart = svg.lines(f"Overdue time of late frames, {s['setting']}", series, "overdue, ms",
                                  "share of late frames", x_max=max(1.0, 1.5 * ends[-1]))
                pictures.append(self.chart(f"overdue-{s['setting'].lower()}", chart,
                                           f"Distribution of overdue times in {s['setting']}"))
        return table(["trace"] + names, rows) + "\n\n" + "\n".join(pictures)

    def admitted(self):
        rows, settings = [], self.results["comparison"]
        for s in settings:
            own = {c["label"]: c for c in s["own_admission"]}
            at_once, images = PAPER_AT_ONCE[s["setting"]], PAPER_IMAGES[s["setting"]]
            rows.append((s["setting"], f"{mean(s['requests']):.0f}",
                         f"{spread(own['DeepRT']['at_once'])} · {at_once[0]}",
                         spread(own["DeepRT by frames"]["at_once"]),
                         f"{spread(own['SEDF']['at_once'])} · {at_once[1]}", spread(own["laxity"]["at_once"]),
                         "/".join(f"{mean(own[n]['admitted']):.1f}" for n in
                                  ("DeepRT", "DeepRT by frames", "SEDF", "laxity")),
                         f"{spread(own['DeepRT']['images_per_s'])} · {images[0]}",
                         f"{spread(own['SEDF']['images_per_s'])} · {images[1]}",
                         spread(own["laxity"]["images_per_s"])))
        series = []
        for name, paper in (("DeepRT", 0), ("SEDF", 1), ("laxity", None)):
            values = [column(s["own_admission"], name)["at_once"] for s in settings]
            ranges = [middle_range(v) for v in values]
            marks = None if paper is None else [PAPER_AT_ONCE[s["setting"]][paper] for s in settings]
            series.append((name, [mean(v) for v in values], [r[0] for r in ranges],
                           [r[1] for r in ranges], marks))
        chart = svg.bars(f"Requests served at once; {MARKS}", [s["setting"] for s in settings], series,
                         "most at once")
        return (table(["trace", "asked", "at once: DeepRT · paper", "DeepRT by frames", "SEDF · paper",
                       "laxity", "admitted in all: DeepRT/by frames/SEDF/laxity", "images/s: DeepRT · paper",
                       "SEDF · paper", "laxity"], rows) + "\n\n" +
                self.chart("admitted", chart, "Requests served at once by trace"))

    def variants_of_frames(self):
        rows = []
        for s in self.results["comparison_variants"]:
            own = {c["label"]: c for c in s["own_admission"]}
            misses = [f"{mean(column(s['on_deeprt_set'], name)['miss_percent']):.1f}"
                      for name in ("DeepRT", "BATCH", "BATCH-Delay", "AIMD", "AIMD that waits")]
            paper = PAPER_AT_ONCE[s["setting"]]
            rows.append([f"{s['setting']}, {s['frames']}", f"{mean(s['requests']):.0f}"] + misses +
                        [f"{spread(own['DeepRT']['at_once'])} · {paper[0]}",
                         spread(own["DeepRT by frames"]["at_once"]),
                         f"{spread(own['SEDF']['at_once'])} · {paper[1]}", spread(own["laxity"]["at_once"])])
        return table(["trace", "asked", "missed, %: DeepRT", "BATCH", "BATCH-Delay", "AIMD",
                      "AIMD that waits", "at once: DeepRT · paper", "DeepRT by frames", "SEDF · paper",
                      "laxity"], rows)

    def promises(self):
        rows = []
        names = ["DeepRT", "DeepRT as published", "DeepRT by frames", "by frames, never early", "SEDF",
                 "laxity"]
        for row in self.results["promises"]:
            cells = [row["case"]]
            for name in names:
                r = row[name]
                share = f"{r['sets_with_misses']} of {r['sets']}"
                cells.append(f"{r['admitted'] / r['sets']:.1f}: {r['missed']} of {r['frames']} ({share})")
            rows.append(cells)
        return table(["execution times and arrivals"] + names, rows)

    def bounds(self):
        rows = []
        for row in self.results["promises"]:
            cells = [row["case"]]
            for name in ("DeepRT", "DeepRT by frames", "laxity"):
                b = row[name]["bounds"]
                cells.append(f"{b['over']} of {b['responses']}; "
                             f"{b['share_mean']:.2f}, {b['share_max']:.4f}")
            rows.append(cells)
        return table(["execution times and arrivals", "DeepRT", "DeepRT by frames", "laxity"], rows)

    def live(self):
        return live_section.text(self.charts / "live.json")

    def imitator(self):
        rows = [(f"({t['mean_period_ms']}, {t['mean_deadline_ms']}), {t['run']}", t["frames"],
                 f"{t['p01_ms']:.1f}",
                 f"{t['p50_ms']:.1f}", f"{t['p99_ms']:.1f}", f"{t['min_ms']:.0f} … {t['max_ms']:.0f}",
                 f"{t['absolute_by_tenth_ms'][0]:.2f} → {t['absolute_by_tenth_ms'][-1]:.2f}")
                for t in self.results["imitator_errors"]]
        series = [(f"({t['mean_period_ms']}, {t['mean_deadline_ms']}) ms",
                   [(v, i / 100) for i, v in enumerate(t["quantiles_ms"])][1:-1])
                  for t in self.results["imitator_errors"] if t["run"] == "with early batching"]
        chart = svg.lines("Predicted minus measured latency", series, "error, ms", "share of frames", y_max=1)
        return (table(["(mean period, mean deadline) ms", "frames", "1 %", "median", "99 %", "all, ms",
                       "mean absolute error, first → last tenth of a video"], rows) + "\n\n" +
                self.chart("imitator", chart, "Distribution of the imitator's error"))

    def overruns(self):
        parts = []
        for machine in self.results["overruns"]:
            rows = []
            for row in machine["rows"]:
                paper = PAPER_OVERRUNS[machine["machine"]].get(row["delay_ms"])
                rows.append((row["delay_ms"],
                             spread(row["with adaptation"]) + (f" · {paper[0]}" if paper else ""),
                             spread(row["without"]) + (f" · {paper[1]}" if paper else ""),
                             spread(row["SEDF"]), spread(row["laxity"])))
            requests = machine["requests"][0].upper() + machine["requests"][1:]
            parts.append(f"{requests}, {machine['machine']}, "
                         f"period = deadline = {machine['period_ms']} ms:\n\n" +
                         table(["delay of each, ms", "DeepRT with adaptation · paper", "without · paper",
                                "SEDF", "laxity"], rows))
        return "\n\n".join(parts)

    def refusals(self):
        rows = []
        for row in self.results["first_refusals"]:
            base = row["deeprt"]
            expected = EXPECTED_REFUSALS.get(row["workload"])
            ratio = lambda name: mean(row[name]) / max(mean(base), 1e-9)
            cells = [row["workload"], spread(base) + (f" · {expected[0]:g}" if expected else "")]
            for name, place in (("published", None), ("by_frames", None), ("sedf", 1), ("demand", None),
                                ("gated", 2), ("generators", None), ("search", 3), ("bound", 4)):
                cells.append(f"{ratio(name):.2f}" + (f" · {expected[place]:g}" if place and expected else ""))
            cells.append(row["laxity_misses"])
            rows.append(cells)
        results = self.results["first_refusals"]
        series = [(label, [mean(r[name]) / max(mean(r["deeprt"]), 1e-9) for r in results], None, None, None)
                  for label, name in (("SEDF", "sedf"), ("demand test", "demand"), ("gated plan", "gated"),
                                      ("laxity", "search"))]
        chart = svg.bars("Streams until the first refusal, as multiple of DeepRT's",
                         [str(i + 1) for i in range(len(rows))], series, "× DeepRT", "row of the table")
        header = ["workload", "DeepRT · expected", "as published", "by frames", "SEDF", "demand test",
                  "gated plan", "laxity without search", "laxity", "bound", "late of laxity's"]
        return (table(header, rows) + "\n\n" +
                self.chart("refusals", chart, "Streams until the first refusal relative to DeepRT"))

    def optima(self):
        rows = []
        for row in self.results["small_optima"]:
            share = lambda name: f"{100 * row[name] / max(1, row['optimum']):.1f} %"
            rows.append((row["sets_of"], row["sets"], row["left_out"],
                         f"{row['optimum'] / max(1, row['sets']):.1f}", share("gated"), share("generators"),
                         share("search"), f"{row['search_equals_optimum']} of {row['sets']}"))
        return table(["sets", "count", "left out", "optimum, mean", "gated", "all generators", "with search",
                      "search is optimal"], rows)

    def admission(self):
        rows, series = [], {}
        for row in self.results["admission_times"]["rows"]:
            paper = PAPER_ADMISSION_MS.get(row["frames"])
            rows.append((f"{row['frames']:,}", f"{paper:,}" if paper else "–",
                         *(f"{row[name]:.3f}" if row.get(name) is not None else "–"
                           for name in ("deeprt_ms", "sedf_ms", "laxity_ms"))))
            for name, label in (("deeprt_ms", "DeepRT, ours"), ("sedf_ms", "SEDF, ours"),
                                ("laxity_ms", "laxity")):
                if row.get(name) is not None:
                    series.setdefault(label, []).append((row["frames"], row[name]))
            if paper:
                series.setdefault("DeepRT, paper", []).append((row["frames"], paper))
        chart = svg.lines("Time of one admission", list(series.items()), "frames looked at",
                          "milliseconds", log=True)
        return (table(["frames", "paper, desktop (fig)", "DeepRT phases 1 and 2", "SEDF",
                       "laxity, gated plan"], rows) + "\n\n" +
                self.chart("admission", chart, "Admission time by frames"))


def fill(template, page, facts):
    """{name} becomes a fact, {{part}} alone on a line a table with its chart."""
    def part(match):
        return getattr(page, match[1])()
    text = re.sub(r"^\{\{(\w+)\}\}$", part, template, flags=re.MULTILINE)
    return re.sub(r"\{(\w+)\}", lambda m: str(facts[m[1]]), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--command", default="experiments/deeprt/run.sh")
    parser.add_argument("--machine", default="this machine")
    parser.add_argument("--seconds", type=int, default=0)
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    page = Page(results, arguments.out)
    facts = {key: results[key] for key in ("seeds", "optimum_seeds", "frames_per_video", "horizon_s",
                                           "arrival_shapes")}
    facts["arrival_words"] = {"trace": "follow stretches of a real Twitter stream",
                              "synthetic": "follow a synthetic stand-in for the Twitter stream",
                              }[results["arrival_shapes"]]
    compared = results["comparison"] + results["comparison_variants"]
    taken = {name: sum(sum(column(s["on_deeprt_set"], name)["admitted"]) for s in compared)
             for name in ("laxity", "DeepRT")}
    facts.update(laxity_took=f"{taken['laxity']:,.0f}", deeprt_took=f"{taken['DeepRT']:,.0f}")
    facts.update(command=arguments.command, machine=arguments.machine, seconds=arguments.seconds)
    ours = [column(s["own_admission"], "laxity") for s in results["comparison"]]
    one_in = sum(c["frames"] for c in ours) / max(1, sum(c["missed"] for c in ours))
    facts["laxity_one_in"] = f"{one_in:,.0f}"
    facts["live_summary"] = live_section.summary(page.charts / "live.json")
    facts["decision_8"] = "[decision 8](../decisions/0008-slow-down-adds-up.md)"
    facts["early_batching"] = "[how](../analysis/deeprt.md)"
    facts["plans_measured"] = "[plans](../analysis/plans.md#what-was-measured)"
    facts["demand_measured"] = "[demand](../analysis/demand.md#what-was-measured)"
    facts["deeprt_test"] = "[DeepRT's test](../analysis/deeprt.md)"
    facts["benchmarks"] = "[benchmarks](../benchmarks.md)"
    off = {rule: [100 * (n[f"four_instances_{rule}_ms"] / n["four_instances_paper_ms"] - 1)
                  for n in results["device"]["networks"]] for rule in ("sum", "product")}
    facts["sum_error"] = f"within {max(map(abs, off['sum'])):.0f} %"
    facts["product_error"] = f"overshoots by {min(off['product']):.0f} to {max(off['product']):.0f} %"
    template = (HERE / "notes.md").read_text(encoding="utf-8")
    (arguments.out / "deeprt.md").write_text(fill(template, page, facts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
