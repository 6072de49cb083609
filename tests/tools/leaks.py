#!/usr/bin/python3
"""Compares what the leaks tool says of programs that leak with what Memcheck says of them: heap and leak summaries, and
every loss record: kind, bytes, blocks and the functions of its stack. One argument list after another for some.

Usage: leaks.py --vsup=VSUP --vctl=VCTL --programs=FOLDER [NAME ...]
"""
import argparse
import collections
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

PREFIX = re.compile(r"^(?:==|--)\d+(?:==|--) ?")
RECORD = re.compile(r"^([\d,]+)(?: \(([\d,]+) direct, ([\d,]+) indirect\))? bytes in ([\d,]+) blocks are "
                    r"(definitely lost|indirectly lost|possibly lost|still reachable) in loss record (\d+) of (\d+)$")
FRAME = re.compile(r"^   (?:at|by) 0x[0-9A-F]+: (.*?)(?: \(([^()]*)\))?$")
SUMMARY = re.compile(r"^ +(definitely lost|indirectly lost|possibly lost|still reachable|suppressed|stdstring|length64|"
                     r"newarray|multipleinheritance) *: ([\d,]+) bytes in ([\d,]+) blocks$")
HEAP = re.compile(r"^ +(in use at exit|total heap usage): (.*)$")

# Options beside the default ones that a program is looked at with, too.
EXTRA = {
    "inheritance": [["--leak-check-heuristics=none"], ["--leak-check-heuristics=newarray,length64"]],
    "stdstring": [["--leak-check-heuristics=stdstring"], ["--leak-check-heuristics=length64"]],
    "new_array": [["--leak-check-heuristics=none"]],
    "many_places": [["--leak-resolution=low"], ["--leak-resolution=med"], ["--num-callers=3"], ["--num-callers=30"]],
    "tree": [["--num-callers=4"]],
    "cycle": [["--show-leak-kinds=definite"], ["--show-reachable=no"]],
    "mapped": [["--show-leak-kinds=definite,possible"], ["--leak-check=summary"]],
}

# Programs that have errors which are no leaks, and so another count of errors under Memcheck.
OTHER_ERRORS = {"segfaults"}
# Programs whose stacks Valgrind does not follow further than so many frames: through a signal's frame.
SHORT_STACKS = {"in_handler": 3}


def number(text):
    return int(text.replace(",", ""))


def without_templates(name):
    """The name without what is in angle brackets."""
    out, depth = "", 0
    for i, c in enumerate(name):
        if c == "<":
            depth += 1
        if depth == 0:
            out += c
        if c == ">" and depth > 0 and name[i - 1] != "-":
            depth -= 1
    return out


def function_name(text, place):
    """The name of a function without parameters, but for operator new, and versions."""
    name = re.sub(r"@@?GLIBC.*", "", text)
    if name.startswith("operator new"):
        return name, place
    name = without_templates(name).split("(")[0].split("::")[-1].split(" ")[-1]
    if name == "clone3":  # Valgrind knows clone alone
        return "clone", "clone.S:100"
    return name, place


class Report:
    """One process's report."""

    def __init__(self, text):
        self.records, self.summary, self.heap, self.errors = [], {}, {}, None
        stack = None
        for line in text.splitlines():
            if not PREFIX.match(line):
                continue
            line = PREFIX.sub("", line)
            record, frame = RECORD.match(line), FRAME.match(line)
            if record:
                total, direct, indirect, blocks, kind, _, of = record.groups()
                stack = []
                self.records.append((kind, number(total), number(direct or "0"), number(indirect or "0"),
                                     number(blocks), int(of), stack))
            elif frame and stack is not None:
                stack.append(function_name(*frame.groups()))
            elif SUMMARY.match(line):
                kind, size, blocks = SUMMARY.match(line).groups()
                self.summary[kind] = (number(size), number(blocks))
            elif HEAP.match(line):
                what, rest = HEAP.match(line).groups()
                self.heap[what] = rest
            elif line.startswith("ERROR SUMMARY:"):
                self.errors = line
            if not line.strip():
                stack = None

    def comparable(self, depth):
        """Records as a multiset: those of equal size come in an order of their own."""
        records = collections.Counter()
        for kind, total, direct, indirect, blocks, of, stack in self.records:
            records[(kind, total, direct, indirect, blocks, of, tuple(names(stack)[:depth]))] += 1
        return records

    def text(self):
        lines = []
        for kind, total, direct, indirect, blocks, of, stack in self.records:
            lines.append(f"  {total} ({direct}, {indirect}) bytes in {blocks} {kind} of {of}: " +
                         " < ".join(names(stack)))
        return "\n".join(lines) + f"\n  {self.summary}\n  {self.heap}\n  {self.errors}"


def names(stack):
    """Frames in the order of calls. The C library's internal names differ where functions have several."""
    out = []
    for name, place in stack:
        place = place or ""
        inside = re.match(r"in .*/(libc|libstdc\+\+|ld-linux)", place) is not None
        file = re.sub(r":\d+$", "", place) if not place.startswith("in ") else ""
        out.append(f"{name}@{place}" if file and not inside else name)
    if not out:
        return out
    out[0] = out[0].split("@")[0]
    # Valgrind's replacements call each other.
    if out[:2] == ["memalign", "posix_memalign"]:
        del out[0]
    if out[0] in ("valloc", "aligned_alloc"):
        out[0] = "memalign"
    return out


def run_valgrind(program, options, folder):
    for path in glob.glob(os.path.join(folder, "vg.*")):
        os.unlink(path)
    subprocess.run(["valgrind", "--leak-check=full", "--show-leak-kinds=all", f"--log-file={folder}/vg.%p"] + options +
                   [program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
    paths = sorted(glob.glob(os.path.join(folder, "vg.*")), key=lambda p: int(p.rsplit(".", 1)[1]))
    reports = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as f:
            reports.append(Report(f.read()))
    return reports


def run_vsup(place, program, options):
    result = place.run(["--tool=leaks", "--leak-check=full", "--show-leak-kinds=all"] + options +
                       [program])
    logs = sorted(glob.glob(os.path.join(place.log, "*", "log.txt")),
                  key=lambda p: int(os.path.basename(os.path.dirname(p)).split(".")[0]))
    reports = []
    for path in logs:
        with open(path, encoding="utf-8", errors="replace") as f:
            reports.append(Report(f.read()))
    return result, reports


def compare(name, ours, theirs):
    """What differs, as text."""
    problems = []
    if len(ours) != len(theirs):
        return [f"{len(ours)} processes, Valgrind saw {len(theirs)}"]
    for our, their in zip(ours, theirs):
        if our.comparable(SHORT_STACKS.get(name)) != their.comparable(SHORT_STACKS.get(name)):
            problems.append("loss records differ")
        if our.summary != their.summary:
            problems.append("the leak summary differs")
        if our.heap.get("in use at exit") != their.heap.get("in use at exit"):
            problems.append("what is in use differs")
        if our.heap.get("total heap usage") != their.heap.get("total heap usage"):
            problems.append("the heap usage differs")
        if our.errors != their.errors and name not in OTHER_ERRORS:
            problems.append("the error summary differs")
        if problems:
            problems.append("vsup:\n" + our.text() + "\nValgrind:\n" + their.text())
    return problems


def compare_with_valgrind(place, program, options):
    """What differs from what Valgrind says, and if something does, from what it says when asked once more: its blocks
    lie where a count of cycles, which the dynamic linker keeps of its own start, points into a large one now and then.
    """
    name = os.path.basename(program)
    _, ours = run_vsup(place, program, options)
    problems = compare(name, ours, run_valgrind(program, options, place.folder))
    return compare(name, ours, run_valgrind(program, options, place.folder)) if problems else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--vctl", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    programs = [path for path in sorted(glob.glob(os.path.join(arguments.programs, "*")))
                if os.access(path, os.X_OK) and os.path.isfile(path) and not path.endswith(".so")]
    if arguments.names:
        programs = [path for path in programs if os.path.basename(path) in arguments.names]
    check(programs, "no programs")
    failed = {}
    for program in programs:
        name = os.path.basename(program)
        for options in [[]] + EXTRA.get(name, []):
            with session.Place(arguments.vsup, arguments.vctl) as place:
                problems = compare_with_valgrind(place, program, options)
            if problems:
                failed[" ".join([name] + options)] = problems
                print(f"{name} {' '.join(options)}: " + "\n".join(problems))
    print(f"{len(programs)} programs, {len(failed)} differ: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
