#!/usr/bin/env python3
"""`laxity admit` as a user runs it: exit status, one JSON object, a picture that is what it says, bad input.
Its example in docs/admission.md, table and picture, is what the program prints.

    admit_test.py LAXITY SOURCE_FOLDER [--update]     --update rewrites the example
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

laxity, source = sys.argv[1], pathlib.Path(sys.argv[2])
scenarios, docs = source / "scenarios", source / "docs"
CAMERAS = scenarios / "promised_cameras.toml"
SVG = "{http://www.w3.org/2000/svg}"


def admit(*words):
    done = subprocess.run([laxity, "admit", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def check(condition, words):
    if not condition:
        sys.exit(f"admit_test: {words}")


def batches_of(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    check(root.tag == SVG + "svg", f"expected an svg element, found {root.tag}")
    check(root.find(SVG + "title").text, "a picture without a title")
    return [g for g in root.iter(SVG + "g") if g.get("class", "").split()[0] == "batch"]


def check_example(update):
    page, drawn = docs / "admission.md", docs / "images" / "plan.svg"
    with tempfile.TemporaryDirectory() as folder:
        picture = pathlib.Path(folder) / "plan.svg"
        _, table, _ = admit(CAMERAS, "--svg", picture)
        svg = picture.read_text()
    words = page.read_text()
    command = "$ laxity admit scenarios/promised_cameras.toml --svg plan.svg\n"
    begin = words.index(command) + len(command)
    end = words.index("```", begin)
    if update:
        page.write_text(words[:begin] + table + words[end:])
        drawn.write_text(svg)
        return
    check(words[begin:end] == table, f"{page}: the example differs from what is printed:\n{table}")
    check(drawn.read_text() == svg, f"{drawn} differs from what is drawn")


check_example("--update" in sys.argv)
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    picture = folder / "plan.svg"

    # Some are refused: status 1, and the JSON says who.
    status, text, errors = admit(CAMERAS, "--json", "--svg", picture)
    answer = json.loads(text)
    check(status == 1 and not errors, f"expected status 1 and no complaint, found {status}: {errors}")
    check(0 < answer["admitted"] < answer["asked"] == len(answer["streams"]), f"found {answer}")
    check(text.count("\n") == 1, "expected one line of JSON")
    refused = [s for s in answer["streams"] if not s["admitted"]]
    check(all(s["reason"] == "admission_plan" and s["failing_at_ms"] > 0 for s in refused),
          f"found {refused}")

    # The picture shows the batches of about the first two seconds, and no others.
    drawn = batches_of(picture)
    check(0 < len(drawn) <= answer["plans"][0]["batches"], f"{len(drawn)} batches drawn")
    alone = folder / "alone.toml"
    # Ten frames, 20 ms apart, of a network that takes 4 ms: ten batches of one, all within two seconds.
    alone.write_text('name = "alone"\nduration_s = 1\nexecutors = 1\n[[model]]\nname = "m"\n[[model.stage]]\n'
                     'p50_ms = [4]\n[[task]]\nname = "cam"\nmodel = "m"\nperiod_ms = 20\ndeadline_ms = 20\n'
                     'frames = 10\nadmission = "stream"\n')
    status, text, errors = admit(alone, "--svg", picture)
    check(status == 0, f"expected status 0, found {status}: {errors}")
    check(len(batches_of(picture)) == 10, f"expected 10 batches, found {len(batches_of(picture))}")
    check(text.splitlines()[1].split()[:8] == ["cam", "m", "20", "0", "20", "admitted", "plan", "20"], text)

    # Policies without admission say so; without a plan the demand curve is drawn.
    status, text, errors = admit(alone, "--policy", "edf", "--svg", picture)
    check(status == 1 and "has no admission" in text, f"found status {status}: {text}{errors}")
    check(not batches_of(picture), "a demand curve with batches")

    # A table of an emulated device brings its networks; one that was measured needs theirs.
    table = source / "profiles" / "rtx2080.json"
    status, text, errors = admit(scenarios / "rtx2080_cameras.toml", "--profile", table, "--json")
    answer = json.loads(text)
    check(answer["machine"]["engine"] == "emulated rtx2080", f"found {answer['machine']}")
    check(status == 1 and 4 <= answer["admitted"] < answer["asked"] == 8, f"found status {status}: {answer}")
    (folder / "gap.json").write_text(table.read_text().replace('"stage": 0', '"stage": 1'))
    status, text, errors = admit(scenarios / "rtx2080_cameras.toml", "--profile", folder / "gap.json")
    check(status == 2 and "gap.json" in errors and "expected stage 0" in errors, f"found {status}: {errors}")

    # Bad input: status 2, and a sentence that says what was expected.
    (folder / "broken.toml").write_text("name = [")
    (folder / "requests.toml").write_text(alone.read_text().replace('admission = "stream"', ""))
    (folder / "unknown.toml").write_text(alone.read_text().replace('model = "m"', 'model = "n"'))
    for words, expected in [((folder / "none.toml",), "none.toml"),
                            ((folder / "broken.toml",), "broken.toml"),
                            ((folder / "requests.toml",), 'admission = "stream"'),
                            ((folder / "unknown.toml",), "did you mean 'm'"),
                            ((alone, "--policy", "laxty"), "did you mean 'laxity'"),
                            ((scenarios / "edf_ties.scenario",), "TOML"),
                            ((), "scenario")]:
        status, text, errors = admit(*words)
        check(status == 2 and expected in errors and not text, f"{words}: status {status}, said: {errors}")
    status, text, errors = admit(alone, "--svg", folder / "no" / "such" / "folder.svg")
    check(status == 3 and "cannot be written" in errors, f"found status {status}: {errors}")
print("admit: as expected")
