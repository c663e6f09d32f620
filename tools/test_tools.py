#!/usr/bin/env python3
"""Proves that each rule of check_layers.py and tidy.py can fail, and that clean files pass."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import check_layers  # noqa: E402
import tidy  # noqa: E402

UNFINISHED = "TO" + "DO"

CLEAN = {
    "README.md": "# Clean\n\n[the header](src/base/a.h) and `[not](a-link)`\n\n"
                 "```\n# a comment, no title\n```\n",
    "src/base/a.h": "// A.\n#pragma once\n",
    "src/base/a.cpp": '#include "base/a.h"\n\n// steady_clock::now() in a comment, words in a string.\n'
                      'const char* text() { return "deadline rand("; }\n',
    "src/base/a_test.cpp": '#include "base/a.h"\n',
    "src/base/CMakeLists.txt": "laxity_room(NAME base SOURCES a.cpp HEADERS a.h)\n"
                               "laxity_test(NAME base_test SOURCES a_test.cpp)\n",
}

# Rule, file, its whole text, the line to be named, a piece of the message.
TIDY_CASES = [
    ("long line", "src/base/b.cpp", "// " + "x" * 108 + "\n", 1, "111 characters"),
    ("white space at the end", "src/base/b.cpp", "int a; \n", 1, "white space"),
    ("tab", "src/base/b.cpp", "\tint a;\n", 1, "a tab"),
    ("no last newline", "src/base/b.cpp", "int a;", 1, "no newline"),
    ("bare unfinished mark", "src/base/b.cpp", f"\n// {UNFINISHED}: later\n", 2, UNFINISHED),
    ("machine path", "docs/x.md", "# X\n\nlook at `/wo" "rk/main/x`\n", 3, "one machine"),
    ("no opening sentence", "src/base/b.h", "#pragma once\n", 1, "opens with a sentence"),
    ("no pragma once", "src/base/b.h", "// B.\n", 1, "#pragma once"),
    ("clock", "src/live/runner.cpp", "auto t = std::chrono::steady_clock::now();\n", 1, "may read a clock"),
    ("wall clock", "src/server/x.cpp", "auto t = std::chrono::system_clock::now();\n", 1, "may read a clock"),
    ("clock in a test", "src/live/x_test.cpp", "auto t = steady_clock::now();\n", 1, "may read a clock"),
    ("sleep in a test", "src/live/x_test.cpp", "std::this_thread::sleep_for(1ms);\n", 1, "never for time"),
    ("sleep in a script", "tests/e2e/x.py", "import time\ntime.sleep(1)\n", 2, "never for time"),
    ("hollow test", "src/base/x_test.cpp", "TEST(A, B) { EXPECT_TRUE(true); }\n", 1, "cannot fail"),
    ("disabled test", "src/base/x_test.cpp", "TEST(A, DISABLED_B) {}\n", 1, "cannot fail"),
    ("distribution", "src/sim/x.cpp", "std::uniform_int_distribution<int> d(0, 1);\n", 1, "base/rng.h"),
    ("random device", "src/policy/x.cpp", "std::random_device device;\n", 1, "base/rng.h"),
    ("library shuffle", "src/sim/x.cpp", "std::shuffle(a, b, rng);\n", 1, "base/rng.h"),
    ("hashed container", "src/sched/x.cpp", "std::unordered_map<int, int> m;\n", 1, "sorted table"),
    ("floating verdict", "src/analysis/x.cpp", "double utilization = 0;\n", 1, "verdicts are integers"),
    ("thread", "src/server/x.cpp", "std::thread thread;\n", 1, "threads are created"),
    ("lock", "src/policy/x.cpp", "std::mutex mutex;\n", 1, "between threads"),
    ("output", "src/sched/x.cpp", "#include <iostream>\n", 1, "no input or output"),
    ("exception", "src/sched/x.cpp", "void f() { throw 1; }\n", 1, "neither throw"),
    ("socket", "src/sim/x.cpp", "#include <sys/socket.h>\n", 1, "no sockets"),
    ("engine and deadlines", "src/engine/x.cpp", "int absolute_deadline;\n", 1, "knows nothing"),
    ("base and its words", "src/base/b.cpp", "int wcet;\n", 1, "no real-time word"),
    ("tensor in core", "src/core/x.cpp", "struct Tensor {};\n", 1, "never tensors"),
    ("two titles", "docs/x.md", "# One\n\n# Two\n", 3, "second"),
    ("no title", "docs/x.md", "text\n", 1, "no # title"),
    ("dead link", "docs/x.md", "# X\n\n[a](missing.md)\n", 3, "no such file"),
    ("dead source", "src/base/dead.cpp", "int a;\n", 1, "nothing builds it"),
    ("dead header", "src/base/dead.h", "// D.\n#pragma once\n", 1, "included by nothing"),
]

LAYER_CASES = [
    ("higher room", "src/base/b.cpp", '#include "sched/scheduler.h"\n', 1, "may include"),
    ("room outside the table", "src/misc/b.cpp", "\n", 1, "not a room"),
    ("no room in the path", "src/base/b.cpp", '#include "a.h"\n', 1, "room/header.h"),
    ("more than the registry", "src/live/b.cpp", '#include "policy/edf.h"\n', 1, "may include only"),
    ("engine elsewhere", "src/model/b.cpp", "#include <onnxruntime_cxx_api.h>\n", 1, "belongs to"),
    ("HTTP library elsewhere", "src/live/b.cpp", "#include <boost/beast.hpp>\n", 1, "belongs to"),
    ("own header not first", "src/base/a.cpp", '#include <string>\n#include "base/a.h"\n', 1, "first"),
]

# What a marker or an exemption lets pass.
ALLOWED = {
    "src/analysis/x.cpp": "double shown = 0;  // display: the table for people\n",
    "src/sim/y.cpp": "std::unordered_map<int, int> m;  // lookup only: never iterated\n",
    "src/live/steady_clock.cpp": "auto t = std::chrono::steady_clock::now();\n",
    "bench/x.cpp": "auto t = std::chrono::steady_clock::now();\n",
    "src/live/z.cpp": f"std::thread thread;\n// {UNFINISHED}(#12): more\n",
    "CMakeLists.txt": "x.cpp y.cpp z.cpp steady_clock.cpp\n",
}


class Tree:
    """A throw-away repository with these files."""

    def __init__(self, files):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def __enter__(self):
        return self.root

    def __exit__(self, *_):
        self.folder.cleanup()


class Rules(unittest.TestCase):
    def found(self, tool, files):
        with Tree(files) as root:
            return tool.check(root) if tool is check_layers else tidy.Tidy(root).run()

    def test_clean_files_pass(self):
        self.assertEqual(self.found(tidy, CLEAN), [])
        self.assertEqual(self.found(check_layers, CLEAN), [])

    def test_markers_and_exemptions_pass(self):
        self.assertEqual(self.found(tidy, {**CLEAN, **ALLOWED}), [])

    def test_every_rule_of_tidy_fails(self):
        for rule, name, text, line, message in TIDY_CASES:
            with self.subTest(rule):
                self.expect_complaint(self.found(tidy, {**CLEAN, name: text}), name, line, message)

    def test_every_rule_of_the_layers_fails(self):
        for rule, name, text, line, message in LAYER_CASES:
            with self.subTest(rule):
                self.expect_complaint(self.found(check_layers, {**CLEAN, name: text}), name, line, message)

    def test_the_table_has_no_upward_grant(self):
        check_layers.MAY_INCLUDE["base"].append("cli")
        try:
            complaints = self.found(check_layers, CLEAN)
            self.expect_complaint(complaints, "tools/check_layers.py", None, "not a lower room")
        finally:
            check_layers.MAY_INCLUDE["base"].remove("cli")

    def expect_complaint(self, complaints, name, line, message):
        start = name + ":" if line is None else f"{name}:{line}:"
        self.assertTrue(any(c.startswith(start) and message in c for c in complaints),
                        f"expected {start} … {message} …, found {complaints}")


if __name__ == "__main__":
    unittest.main()
