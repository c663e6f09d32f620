#!/usr/bin/env python3
"""Runs the study at its smallest and checks that the page says every number: not which.

    page_test.py PROGRAM
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

HERE = pathlib.Path(__file__).resolve().parent
LIVE = HERE.parent.parent / "docs" / "results" / "deeprt" / "live.json"
PROFILE = HERE.parent.parent / "profiles" / "rtx2080.json"
PROGRAM = ""


def study(*arguments):
    done = subprocess.run([PROGRAM, "--scale", "tiny", *arguments], check=True, capture_output=True,
                          text=True)
    return json.loads(done.stdout)


class Study(unittest.TestCase):
    def test_the_same_seeds_give_the_same_numbers(self):
        parts = ["--part", "comparison", "--part", "imitator_errors", "--part", "small_optima"]
        self.assertEqual(study(*parts), study(*parts))

    def test_arrivals_follow_the_shape_that_is_given(self):
        with tempfile.TemporaryDirectory() as folder:
            shapes = pathlib.Path(folder) / "shapes"
            shapes.write_text("1 1 1 1\n0 0 0 1\n", encoding="utf-8")
            given = study("--part", "comparison", "--shapes", str(shapes))
        self.assertEqual(given["arrival_shapes"], "trace")
        self.assertNotEqual(given["comparison"], study("--part", "comparison")["comparison"])

    def test_bad_arguments_are_refused_with_a_sentence(self):
        for arguments in (["--scale", "huge"], ["--seeds", "0"], ["--seeds", "x"], ["--shapes", "/nowhere"],
                          ["--seeds"], ["--speed", "1"], ["--part", "nothing"]):
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("expected", done.stderr)
            self.assertEqual(done.stdout, "")


class Profile(unittest.TestCase):
    def test_the_file_that_users_get_is_what_the_study_uses(self):
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder) / "made.json"
            subprocess.run([PROGRAM, "--profile", str(made)], check=True)
            self.assertEqual(made.read_bytes(), PROFILE.read_bytes(), "run.sh --profile writes it")

    def test_it_holds_what_the_paper_prints(self):
        profile = json.loads(PROFILE.read_text(encoding="utf-8"))
        median = {(e["model"], e["batch"]): e["p50_us"] for e in profile["execution"]}
        for model, alone_ms, sixteen_ms in (("resnet50", 3.5, 25), ("vgg19", 5.3, 56),
                                            ("inception-v3", 9.3, 38)):
            self.assertEqual(median[f"{model}@224x224", 1], 1000 * alone_ms)
            self.assertEqual(median[f"{model}@224x224", 16], 1000 * sixteen_ms)
        slowdown = {(e["of"], e["beside"]): e["factor"] for e in profile["slowdown"]}
        pair = ("inception-v3@224x224/224x224/0", "vgg19@480x854/480x854/0")
        self.assertAlmostEqual(9.3 * slowdown[pair], 42.9, places=4)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.results = json.dumps(study())
        cls.out = pathlib.Path(cls.folder.name)
        (cls.out / "deeprt").mkdir()
        shutil.copy(LIVE, cls.out / "deeprt")
        cls.text = cls.make(cls.out)

    @classmethod
    def make(cls, out):
        results = out / "results.json"
        results.write_text(cls.results, encoding="utf-8")
        subprocess.run([sys.executable, str(HERE / "page.py"), str(results), "--out", str(out)], check=True)
        return (out / "deeprt.md").read_text(encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def tables(self):
        found, lines = [], []
        for line in self.text.splitlines() + [""]:
            if line.startswith("|"):
                lines.append([cell.strip() for cell in line.strip("|").split("|")])
            elif lines:
                found.append(lines)
                lines = []
        return found

    def test_every_table_is_whole_and_every_result_a_number(self):
        tables = self.tables()
        self.assertGreaterEqual(len(tables), 10)
        for rows in tables:
            self.assertGreaterEqual(len(rows), 3, rows[0])
            for row in rows[2:]:
                self.assertEqual(len(row), len(rows[0]), row)
                for cell in row[1:]:
                    self.assertRegex(cell, r"\d|^–( / –)?$|none late", row)

    def test_the_last_live_section_is_kept(self):
        self.assertIn("| laxity, all requests | ", self.text)
        with tempfile.TemporaryDirectory() as folder:
            self.assertNotIn("| laxity, all requests | ", self.make(pathlib.Path(folder)))

    def test_nothing_is_left_open(self):
        self.assertNotRegex(self.text, r"\bnan\b|\binf\b|None|\{\w*\}")
        self.assertEqual(len(re.findall(r"^# ", self.text, flags=re.MULTILINE)), 1)

    def test_every_chart_is_there_and_drawn(self):
        names = re.findall(r"\]\((deeprt/[\w'-]+\.svg)\)", self.text)
        self.assertGreaterEqual(len(names), 6)
        for name in names:
            document = xml.dom.minidom.parse(str(self.out / name))
            marks = sum(document.getElementsByTagName(tag).length for tag in ("rect", "polyline"))
            self.assertGreater(marks, 2, name)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
