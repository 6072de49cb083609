#!/usr/bin/python3
"""Checks who includes whom: layers below never include layers above, and agent and supervisor meet in protocol/ alone.

Usage: layers.py ROOT. Prints each offending include; exit status 1 if there is one.
"""
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

# Layer -> layers of the same part that it may include. A layer may always include itself and protocol/.
AGENT = {
    "base": set(),
    "x86": {"base"},
    "engine": {"base", "x86"},
    "os": {"base", "x86", "engine"},
    "callstack": {"base", "x86", "engine", "os"},
    "shadow": {"base", "x86", "engine", "os"},
    "heap": {"base", "x86", "engine", "os", "callstack", "shadow"},
    "toolapi": {"base", "x86", "engine", "os", "callstack", "shadow", "heap"},
    "tools": {"base", "x86", "engine", "os", "callstack", "shadow", "heap", "toolapi"},
}
SUPERVISOR = {
    "base": set(),
    "ptrace": {"base"},
    "inject": {"base", "ptrace"},
    "symbols": {"base", "ptrace"},
    "session": {"base", "ptrace", "inject"},
    "reports": {"base", "ptrace", "inject", "symbols", "session"},
    "control": {"base", "ptrace", "inject", "symbols", "session"},
}
# Where a hosted part may use pure code of the agent: the decoder, and the structures of tools' records.
SHARED = re.compile(r"^agent/(x86/[^/]+|tools/[^/]+/records)\.h$")

# Interfaces that layers below may see: declarations alone, implemented above and set where the program is wired.
INTERFACES = {"supervisor/session/controller.h", "supervisor/session/session_observer.h",
              "supervisor/session/stopped_process.h", "supervisor/session/tool_report.h"}


def part_and_layer(path):
    pieces = path.split("/")
    return pieces[0], pieces[1] if len(pieces) > 2 else ""


def allowed(source, target):
    """Whether the file `source` may include `target`; both relative to the root."""
    part, layer = part_and_layer(source)
    other, other_layer = part_and_layer(target)
    if part == "protocol":
        return other == "protocol"
    if other == "protocol" or (target in INTERFACES and part == other):
        return True
    if part == "tests":
        return True
    if part == "ctl":
        return other == "ctl"
    if part == "agent":
        if other != "agent":
            return False
        return not layer or layer == other_layer or other_layer in AGENT.get(layer, set())
    if part == "supervisor":
        if other == "agent":
            return SHARED.match(target) is not None
        if other != "supervisor":
            return False
        return not layer or layer == other_layer or other_layer in SUPERVISOR.get(layer, set())
    return False


def sources(root):
    for part in ("protocol", "agent", "supervisor", "ctl"):
        for folder, _, files in os.walk(os.path.join(root, part)):
            for name in sorted(files):
                if name.endswith((".h", ".cpp", ".def", ".inc", ".S")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def main():
    root = sys.argv[1]
    problems, seen = [], 0
    for source in sources(root):
        part, layer = part_and_layer(source)
        known = {"agent": AGENT, "supervisor": SUPERVISOR}.get(part)
        if known and layer and layer not in known:
            problems.append(f"{source}: layer {part}/{layer} is not known to tests/checks/layers.py")
        with open(os.path.join(root, source), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                seen += 1
                target = match.group(1)
                if not os.path.exists(os.path.join(root, target)):
                    problems.append(f"{source}:{number}: \"{target}\" is not a path from the root")
                elif not allowed(source, target):
                    problems.append(f"{source}:{number}: {source} may not include {target}")
    for problem in problems:
        print(problem)
    print(f"{seen} includes checked, {len(problems)} problems")
    return 1 if problems or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
