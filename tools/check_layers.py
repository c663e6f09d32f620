#!/usr/bin/env python3
"""The architecture as a table: which room under src/ may include which, and who wraps a third-party library.

    tools/check_layers.py [--root FOLDER]     fails with file:line for every include that is not granted
    tools/check_layers.py --cmake             prints the room table as CMake code; the build links by it

This is the only copy. Change it only with ARCHITECTURE.md and a reason.
"""
import argparse
import fnmatch
import pathlib
import re
import sys

# From the ground up: a room may only include rooms above it in this list, and only those named.
MAY_INCLUDE = {
    "base": [],
    "core": ["base"],
    "trace": ["base", "core"],
    "analysis": ["base", "core"],
    "policy": ["base", "core", "analysis"],
    "sched": ["base", "core", "analysis", "policy"],
    "sim": ["base", "core", "trace", "policy", "sched"],
    "engine": ["base", "core"],
    "model": ["base", "core", "engine"],
    "live": ["base", "core", "trace", "policy", "sched", "engine", "model"],
    "profile": ["base", "core", "trace", "engine", "model"],
    "load": ["base", "core", "trace", "sim"],
    "server": ["base", "core", "trace", "policy", "sched", "live", "engine", "model", "profile"],
    "cli": ["base", "core", "trace", "analysis", "policy", "sched", "sim", "engine", "model", "live",
            "profile", "load", "server"],
}

# (room, included room): only these headers, because the drivers pick policies by name and never by type.
ONLY_HEADERS = {
    ("sim", "policy"): ["policy/registry.h"],
    ("live", "policy"): ["policy/registry.h"],
    ("server", "policy"): ["policy/registry.h"],
}

# Third-party header pattern: the files that wrap it. Everything else sees only our own types.
WRAPPED_BY = {
    "onnxruntime*": ["src/engine/ort_*"],
    "boost/*": ["src/server/*", "src/load/*", "bench/*", "tests/*"],
    "simdjson*": ["src/server/*", "fuzz/*"],
    "toml++/*": ["src/base/*", "src/model/*", "src/sim/*", "src/cli/*"],
    "CLI/*": ["src/cli/*"],
    "turbojpeg.h": ["src/model/*"],
    "spng.h": ["src/model/*"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check(root):
    """Returns the list of complaints, each `file:line: message`."""
    complaints = []
    order = list(MAY_INCLUDE)
    for room, granted in MAY_INCLUDE.items():
        for other in granted:
            if other not in order or order.index(other) >= order.index(room):
                complaints.append(f"tools/check_layers.py: '{room}' includes '{other}', not a lower room")
    for folder in ("src", "tests", "fuzz", "bench", "experiments"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".hpp", ".cc") and path.is_file():
                complaints += check_file(root, path)
    return complaints


def check_file(root, path):
    name = path.relative_to(root).as_posix()
    parts = name.split("/")
    room = parts[1] if parts[0] == "src" else None
    if room is not None and room not in MAY_INCLUDE:
        return [f"{name}:1: '{room}' is not a room of tools/check_layers.py"]
    complaints = []
    first_include = None
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, header = match[1] == '"', match[2]
        first_include = first_include or header
        for pattern, wrappers in WRAPPED_BY.items():
            allowed = any(fnmatch.fnmatch(name, wrapper) for wrapper in wrappers)
            if fnmatch.fnmatch(header, pattern) and not allowed:
                complaints.append(f"{name}:{number}: <{header}> belongs to {', '.join(wrappers)}")
        if not quoted:
            continue
        head = header.split("/")[0]
        if room is None:
            continue
        if head == room:
            continue
        if head == "tests" and path.stem.endswith("_test"):
            continue
        if "/" not in header or head not in MAY_INCLUDE:
            complaints.append(f'{name}:{number}: expected "room/header.h", found "{header}"')
        elif head not in MAY_INCLUDE[room]:
            complaints.append(f"{name}:{number}: {room}/ may include {MAY_INCLUDE[room]}, found {header}")
        elif (room, head) in ONLY_HEADERS and header not in ONLY_HEADERS[room, head]:
            complaints.append(f"{name}:{number}: of {head}/, {room}/ may include only "
                              f"{ONLY_HEADERS[room, head]}, found {header}")
    # Its own header first proves that the header needs nothing before it.
    own = path.with_suffix(".h")
    if room is not None and path.suffix == ".cpp" and own.exists():
        expected = own.relative_to(root / "src").as_posix()
        if first_include != expected:
            complaints.append(f'{name}:1: expected to include "{expected}" first, found "{first_include}"')
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--cmake", action="store_true")
    arguments = parser.parse_args()
    if arguments.cmake:
        print(f"set(LAXITY_ROOMS {' '.join(MAY_INCLUDE)})")
        for room, granted in MAY_INCLUDE.items():
            print(f"set(LAXITY_MAY_INCLUDE_{room} {' '.join(granted)})")
        return 0
    complaints = check(arguments.root)
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
