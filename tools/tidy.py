#!/usr/bin/env python3
"""House rules that a compiler cannot check; each prints `file:line: message` and fails the run.

    tools/tidy.py [--root FOLDER]

A rule that makes one line worse is lifted on that line by its marker, which asks for a reason:
`// display: …` for floating point that is only shown, `// lookup only: …` for a hashed container that is
never iterated. Longest functions are reported with --report, never failed.
"""
import argparse
import pathlib
import re
import subprocess
import sys

LINE_LENGTH_MAX = 110

CPP = (".h", ".cpp")
CODE = CPP + (".py", ".sh", ".cmake", ".txt", ".js", ".mjs", ".css")
TEXT = CODE + (".md", ".toml", ".json", ".html", ".scenario", ".scenario_slow", ".proto", ".yml", ".bib", "")

DETERMINISTIC = ("base", "core", "trace", "analysis", "policy", "sched", "sim")
DECIDING = ("analysis", "policy", "sched")

# The files that may read a clock. Everything else is told the time.
CLOCK_FILES = {
    "src/live/steady_clock.cpp",
    "src/load/load_clock.cpp",
    "src/profile/profile_clock.cpp",
    "src/engine/emulated_engine.cpp",
    "src/cli/output.cpp",  # a progress bar's own pace
}
CLOCK = re.compile(r"\b(?:steady_clock|system_clock|high_resolution_clock|file_clock|utc_clock|Clock)::now\b"
                   r"|\bclock_gettime\b|\bgettimeofday\b|\bstd::time\s*\(|\bstd::clock\s*\(|\b_*rdtscp?\b")
SLEEP = re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\b|\bnanosleep\b|(?<![\w.])sleep\s*\("
                   r"|\btime\.sleep\b")
RANDOM = re.compile(r"\bstd::\w+_distribution\b|\brandom_device\b|\bstd::shuffle\b|\bstd::rand\b"
                    r"|(?<!\w)s?rand\s*\(")
UNORDERED = re.compile(r"\bunordered_(?:multi)?(?:map|set)\b")
FLOATING = re.compile(r"\b(?:double|float)\b")
# Measures what waking a thread costs: it has to make two.
THREAD_FILES = {
    "src/profile/wake_cost.cpp",  # measures what waking one costs
    "src/server/server.cpp",      # the network thread, settled by live/placement
}
THREAD = re.compile(r"\bstd::(?:thread|jthread|async)\b(?!::)|\bpthread_create\b")
LOCK = re.compile(r"\bstd::(?:mutex|shared_mutex|recursive_mutex|condition_variable\w*|atomic\w*)\b"
                  r"|\bthread_local\b")
INPUT_OUTPUT = re.compile(r"<(?:iostream|fstream|cstdio|filesystem)>|\bstd::(?:cout|cerr|clog)\b"
                          r"|\bf?printf\s*\(|spdlog")
EXCEPTION = re.compile(r"\bthrow\b|\btry\s*\{|\bcatch\s*\(")
SOCKET = re.compile(r"<sys/socket\.h>|<netinet/|\bboost::asio\b")
DOMAIN_WORD = re.compile(r"(?i)\b\w*(?:deadline|wcet|scheduler|laxity_of)\w*\b")
DEADLINE = re.compile(r"(?i)\w*deadline\w*")
TENSOR = re.compile(r"(?i)\btensors?\b")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
HOLLOW_TEST = re.compile(r"\bEXPECT_TRUE\(true\)|\bASSERT_TRUE\(true\)|\bEXPECT_FALSE\(false\)|\bSUCCEED\(\)"
                         r"|\bTEST(?:_F|_P)?\(\s*(?:DISABLED_|\w+,\s*DISABLED_)")
# A path of one machine. Spelled in pieces so that this file passes its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.$}>/])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]"])
                          + r")(?:/|\b)")
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")

COMMENT_OR_STRING = re.compile(
    r'R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"'
    r'|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"' r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'", re.DOTALL)


def code_only(text):
    """C++ without comments and string contents; every line keeps its number. Include lines stay whole."""
    def blank(match):
        piece = match[0]
        line_start = text.rfind("\n", 0, match.start()) + 1
        if piece[0] == '"' and text[line_start:match.start()].lstrip().startswith("#"):
            return piece
        return "\n" * piece.count("\n")
    return COMMENT_OR_STRING.sub(blank, text)


class Tidy:
    def __init__(self, root):
        self.root = root
        self.complaints = []
        self.names = self.list_files()
        self.texts = {}

    def list_files(self):
        """Tracked files and new ones that git does not ignore; without git, everything outside build/."""
        try:
            command = ["git", "-C", str(self.root), "ls-files", "-z", "-co", "--exclude-standard"]
            output = subprocess.run(command, check=True, capture_output=True).stdout.decode()
            names = [n for n in output.split("\0") if n]
        except (OSError, subprocess.CalledProcessError):
            names = [p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file()]
            names = [n for n in names if not n.startswith(("build/", ".git/"))]
        return sorted(n for n in set(names) if (self.root / n).is_file())

    def text(self, name):
        if name not in self.texts:
            self.texts[name] = (self.root / name).read_text(encoding="utf-8", errors="replace")
        return self.texts[name]

    def say(self, name, line, message):
        self.complaints.append(f"{name}:{line}: {message}")

    def each(self, name, lines, pattern, message, raw=None, marker=None):
        for number, line in enumerate(lines, 1):
            match = pattern.search(line)
            if match and not (marker and marker in raw[number - 1]):
                self.say(name, number, message.format(match[0]))

    def run(self):
        for name in self.names:
            suffix = pathlib.PurePosixPath(name).suffix
            if suffix not in TEXT or (self.root / name).is_symlink():
                continue
            if b"\0" in (self.root / name).read_bytes()[:1024]:
                continue
            self.check_text(name, suffix)
            if suffix in CPP:
                self.check_cpp(name)
            elif suffix == ".md":
                self.check_markdown(name)
            elif suffix == ".py" and name.startswith("tests/"):
                lines = self.text(name).split("\n")
                self.each(name, lines, SLEEP, "{}: a test waits for an event, never for time")
        self.check_dead_files()
        return self.complaints

    def check_text(self, name, suffix):
        lines = self.text(name).split("\n")
        is_corpus = "/corpus/" in name
        is_code = (suffix in CODE and not is_corpus and (suffix != ".txt" or name.endswith("CMakeLists.txt")))
        if name == "LICENSE" or is_corpus:
            return
        self.each(name, lines, MACHINE_PATH, "{}: a path of one machine; say it relative to the repository")
        if not is_code:
            return
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_LENGTH_MAX:
                self.say(name, number, f"{len(line)} characters, expected at most {LINE_LENGTH_MAX}")
            if line != line.rstrip():
                self.say(name, number, "white space at the end of the line")
            if "\t" in line and suffix in CPP:
                self.say(name, number, "a tab")
        if lines[-1] != "":
            self.say(name, len(lines), "no newline at the end of the file")
        if name not in ("tools/tidy.py", "tools/test_tools.py"):
            self.each(name, lines, UNFINISHED, "{}: needs its issue, as in TODO(#12)")

    def check_cpp(self, name):
        raw = self.text(name).split("\n")
        code = code_only(self.text(name)).split("\n")
        parts = name.split("/")
        room = parts[1] if parts[0] == "src" else None
        is_bench = parts[0] == "bench" or name.endswith("_bench.cpp")
        is_test = parts[0] == "tests" or name.endswith("_test.cpp")
        if name.endswith(".h"):
            if not raw[0].startswith("//"):
                self.say(name, 1, "a header opens with a sentence that says what it is")
            if not any(line.startswith("#pragma once") for line in raw):
                self.say(name, 1, "#pragma once is missing")
        if name not in CLOCK_FILES and not is_bench:
            self.each(name, code, CLOCK, "{}: only " + ", ".join(sorted(CLOCK_FILES)) + " may read a clock")
        if is_test:
            self.each(name, code, SLEEP, "{}: a test waits for an event, never for time")
            self.each(name, code, HOLLOW_TEST, "{}: a test that cannot fail")
        if room in DETERMINISTIC or is_test:
            self.each(name, code, RANDOM, "{}: differs between libraries or runs; use base/rng.h")
        if not (room in ("live", "load") or name in THREAD_FILES or is_test or is_bench):
            self.each(name, code, THREAD, "{}: threads are created in live/ and load/ only")
        if room is None or is_test or is_bench:
            return
        if room in DETERMINISTIC:
            self.each(name, code, UNORDERED, "{}: its order differs between libraries; use a sorted table",
                      raw, "// lookup only:")
        if room in DECIDING:
            self.each(name, code, FLOATING, "{}: verdicts are integers; // display: why, where only shown",
                      raw, "// display:")
            self.each(name, code, LOCK, "{}: deciding rooms share nothing between threads")
            self.each(name, code, INPUT_OUTPUT, "{}: deciding rooms do no input or output")
            self.each(name, code, EXCEPTION, "{}: deciding rooms neither throw nor catch")
        if room == "sim":
            self.each(name, code, SOCKET, "{}: the simulator has no sockets")
        if room == "engine":
            self.each(name, code, DEADLINE, "{}: an engine knows nothing of deadlines")
        if room == "base":
            self.each(name, code, DOMAIN_WORD, "{}: base/ holds no real-time word")
        if room in ("core", "sched"):
            self.each(name, code, TENSOR, "{}: jobs are ids and instants here, never tensors")

    def check_markdown(self, name):
        titles, fenced = 0, False
        for number, line in enumerate(self.text(name).split("\n"), 1):
            if re.match(r"\s*(```|~~~)", line):
                fenced = not fenced
            if fenced:
                continue
            if line.startswith("# "):
                titles += 1
                if titles == 2:
                    self.say(name, number, "a second # title; expected exactly one")
            for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
                self.check_link(name, number, match[1] or match[2])
        if titles == 0:
            self.say(name, 1, "no # title; expected exactly one")

    def check_link(self, name, number, target):
        if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("#"):
            return
        path = target.split("#")[0]
        base = self.root if path.startswith("/") else (self.root / name).parent
        if not (base / path.lstrip("/")).exists():
            self.say(name, number, f"link to {target}: no such file")

    def check_dead_files(self):
        lists = {n: self.text(n) for n in self.names if n.endswith(("CMakeLists.txt", ".cmake"))}
        folders = ("src", "tests", "fuzz", "bench", "experiments")
        sources = [n for n in self.names if n.split("/")[0] in folders]
        included = set()
        for name in sources:
            if name.endswith(CPP):
                included.update(re.findall(r'#\s*include\s*[<"]([^>"]+)[>"]', self.text(name)))
        for name in sources:
            path = pathlib.PurePosixPath(name)
            if path.suffix == ".cpp":
                pattern = re.compile(r"(?<![\w.])" + re.escape(path.name) + r"(?![\w.])")
                if not any(pattern.search(text) for text in lists.values()):
                    self.say(name, 1, "named in no CMakeLists.txt: nothing builds it")
            elif path.suffix == ".h":
                spellings = {name, name.removeprefix("src/"), path.name}
                if not spellings & included:
                    self.say(name, 1, "included by nothing")

    def report_functions(self, count=15):
        """The longest bodies: from a brace at a line's end to the closing one in the first column."""
        found = []
        for name in self.names:
            if not name.endswith(".cpp"):
                continue
            lines = self.text(name).split("\n")
            start = None
            for number, line in enumerate(lines, 1):
                if start is None and re.match(r"[A-Za-z].*\)( const| noexcept)* \{$", line):
                    start = number
                elif start is not None and line == "}":
                    found.append((number - start, name, start))
                    start = None
        for length, name, start in sorted(found, reverse=True)[:count]:
            print(f"{name}:{start}: {length} lines")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--report", action="store_true", help="list the longest functions instead")
    arguments = parser.parse_args()
    tidy = Tidy(arguments.root.resolve())
    if arguments.report:
        tidy.report_functions()
        return 0
    complaints = tidy.run()
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
