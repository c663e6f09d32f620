#!/usr/bin/env python3
"""Builds one case twice: as it is it must compile, with -DFAIL it must not, for the reason it names.

    run.py CASE.cpp COMPILER FLAG…

The case's line `// error: REGEX` says what the compiler has to complain about, at a line of the case itself.
"""
import os
import pathlib
import re
import subprocess
import sys


def main():
    case, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    expected = re.search(r"^// error: (.+)$", case.read_text(), re.MULTILINE)
    if not expected:
        print(f"{case}: expected a line '// error: REGEX', found none")
        return 1
    environment = dict(os.environ, LC_ALL="C")  # the compiler's words in English
    good = subprocess.run([*command, str(case)], capture_output=True, text=True, env=environment)
    if good.returncode != 0:
        print(f"{case}: expected to compile without FAIL\n{good.stderr}")
        return 1
    bad = subprocess.run([*command, "-DFAIL", str(case)], capture_output=True, text=True, env=environment)
    if bad.returncode == 0:
        print(f"{case}: compiled with FAIL; the types allow what they should refuse")
        return 1
    own_error = re.compile(rf"{re.escape(case.name)}:\d+:\d+: error:")
    errors = [line for line in bad.stderr.split("\n") if own_error.search(line)]
    if not any(re.search(expected[1], line) for line in errors):
        print(f"{case}: expected an error like /{expected[1]}/, found\n{bad.stderr}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
