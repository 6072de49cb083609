#!/usr/bin/python3
"""Callgrind's and cachegrind's results: exact counts, calls with inclusive cost, threads, forks, execs, ends by
signals, and what the programs that read the files make of them. Compared with Valgrind's own where it is installed."""
import collections
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

OWN = ("fib", "leaf", "add_one", "add_two", "through_pointers", "work")


class Profile:
    """A callgrind.out: self cost by function, and (caller, callee) -> [calls, inclusive cost]."""

    def __init__(self, path):
        self.cost = collections.Counter()
        self.calls = collections.defaultdict(lambda: [0, 0])
        self.summary = None
        names = {}
        function = callee = None
        pending = None
        is_jump = False
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                line = line.rstrip("\n")
                name = re.match(r"([cj]?fn)=(?:\((\d+)\))? ?(.*)", line)
                if name:
                    kind, number, text = name.groups()
                    if number and text:
                        names[number] = text
                    text = self.plain(text or names[number])
                    function = text if kind == "fn" else function
                    callee = text if kind == "cfn" else callee
                elif line.startswith("calls="):
                    pending = int(line[6:].split()[0])
                elif line.startswith(("jump=", "jcnd=")):
                    is_jump = True
                elif is_jump:  # the line that says from where
                    is_jump = False
                elif re.match(r"[+*\-0-9]", line):
                    cost = int(line.split()[-1])
                    if pending is not None:
                        edge = self.calls[function, callee]
                        edge[0] += pending
                        edge[1] += cost
                        pending = None
                    else:
                        self.cost[function] += cost
                elif line.startswith(("summary:", "totals:")):
                    self.summary = int(line.split()[1])

    @staticmethod
    def plain(name):
        return re.sub(r"'\d+$", "", name)  # Valgrind's recursion levels

    def total(self):
        return sum(self.cost.values())


def run(place, program, *arguments, options=(), tool="callgrind"):
    """Profiles of the program's processes, by the name of their directory."""
    path = os.path.join(place.programs, program)
    command = ["-q", f"--tool={tool}", "--trace-children=yes", *options, path, *arguments]
    status, _, errors = place.run(command, timeout=60)
    place.check_complete()
    files = sorted(glob.glob(os.path.join(place.log, "*", f"{tool}.out.*[0-9]")))
    check(files, f"no {tool}.out: {errors}")
    return status, {os.path.basename(os.path.dirname(f)): f for f in files}


def one(files):
    check(len(files) == 1, f"one profile expected: {list(files)}")
    return next(iter(files.values()))


def exact_count(place):
    """A static program whose 30,004 instructions are known, whatever the code cache does meanwhile."""
    for options in ([], ["--max-block-instructions=1"], ["--link=no"], ["--flush-every=3"], ["--dump-instr=yes"]):
        _, files = run(place, "counted", options=options)
        profile = Profile(one(files))
        check(profile.total() == 1 + 5000 * 6 + 3, f"{options}: {profile.total()} instructions")
        check(profile.summary == profile.total(), f"{options}: summary {profile.summary}, rows {profile.total()}")
        check(profile.cost["work"] == 15000, f"{options}: {profile.cost}")
        check(profile.calls["(below main)", "work"] == [5000, 15000], f"{options}: {dict(profile.calls)}")


def against_valgrind(place):
    """Self cost, calls and inclusive cost of the program's own functions equal valgrind --tool=callgrind's."""
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return
    _, files = run(place, "profiled")
    ours = Profile(one(files))
    reference = os.path.join(place.folder, "valgrind.out")
    subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={reference}",
                    os.path.join(place.programs, "profiled")], check=True, timeout=60)
    theirs = Profile(reference)
    for name in OWN:
        check(ours.cost[name] == theirs.cost[name] > 0, f"{name}: {ours.cost[name]}, Valgrind {theirs.cost[name]}")
    edges = [edge for edge in theirs.calls if edge[0] in OWN + ("main",) and edge[1] in OWN]
    check(len(edges) >= 7, f"edges: {edges}")
    for edge in edges:
        if edge == ("fib", "fib"):  # Valgrind splits recursion in two functions: calls add up, inclusive cost does not
            check(ours.calls[edge][0] == theirs.calls[edge][0], f"{edge}: {ours.calls[edge]}, {theirs.calls[edge]}")
            continue
        check(ours.calls[edge] == theirs.calls[edge], f"{edge}: {ours.calls[edge]}, Valgrind {theirs.calls[edge]}")


def threads_count_in_parallel(place):
    """Four threads at once count what one alone counts, times four."""
    _, files = run(place, "profiled", "plain", "1")
    single = Profile(one(files))
    _, files = run(place, "profiled", "threads", "50")
    together = Profile(one(files))
    for name in OWN:
        check(together.cost[name] == 200 * single.cost[name], f"{name}: {together.cost[name]}, {single.cost[name]}")
    check(together.calls["thread", "work"][0] == 200, f"{together.calls['thread', 'work']}")
    check(together.calls["work", "leaf"] == [200, 200 * single.cost["leaf"]], f"{together.calls['work', 'leaf']}")


def processes(place):
    """A forked child starts at zero, an exec'd image has a profile of its own, and neither loses its parent's."""
    _, files = run(place, "profiled", "plain", "1")
    single = Profile(one(files))
    _, files = run(place, "profiled", "fork", "3")
    counts = sorted(Profile(f).cost["leaf"] // single.cost["leaf"] for f in files.values())
    check(counts == [1, 3], f"fork: work ran {counts} times")
    _, files = run(place, "profiled", "exec", "3")
    counts = [Profile(files[name]).cost["leaf"] // single.cost["leaf"] for name in sorted(files)]
    check(counts == [3, 2], f"exec: work ran {counts} times")


def killed(place):
    """A program that ends by a signal leaves a whole profile, whether it was sent or its own fault."""
    _, files = run(place, "profiled", "plain", "2")
    whole = Profile(one(files))
    for arguments, number in ((("kill", "2"), 9), (("kill", "2", "6"), 6), (("kill", "2", "15"), 15),
                              (("kill", "2", "11"), 11), (("fault", "2"), 11)):
        status, files = run(place, "profiled", *arguments)
        check(status == -number, f"{arguments} ends with {session.name_of(status)}")
        profile = Profile(one(files))
        for name in OWN:
            check(profile.cost[name] == whole.cost[name],
                  f"{arguments}: {name}: {profile.cost[name]} of {whole.cost[name]}")
        check(profile.summary == profile.total(), f"{arguments}: the file is cut")


def readers(place):
    """callgrind_annotate and cg_annotate read the files and agree with their sums."""
    if not shutil.which("callgrind_annotate"):
        print("skipped: valgrind is not installed")
        return
    for options in ([], ["--dump-instr=yes"], ["--compress-strings=no", "--compress-pos=no"], ["--dump-line=no"]):
        _, files = run(place, "profiled", options=options)
        text = subprocess.run(["callgrind_annotate", one(files)], capture_output=True, text=True, timeout=60)
        total = re.search(r"([\d,]+) .*PROGRAM TOTALS", text.stdout)
        check(text.returncode == 0 and total, f"{options}: {text.stdout[:300]} {text.stderr}")
        check(int(total[1].replace(",", "")) == Profile(one(files)).total(), f"{options}: {total[1]}")
    _, files = run(place, "profiled", tool="cachegrind")
    text = subprocess.run(["cg_annotate", one(files)], capture_output=True, text=True, timeout=60)
    check(text.returncode == 0 and "fib" in text.stdout, f"{text.stdout[:500]} {text.stderr}")


def instrumented_parts_only(place):
    """With instrumentation off nothing is counted; the file says so, as Valgrind's."""
    for tool, option, annotate in (("callgrind", "--instr-atstart=no", "callgrind_annotate"),
                                   ("cachegrind", "--instr-at-start=no", "cg_annotate")):
        status, files = run(place, "profiled", "plain", "3", options=[option], tool=tool)
        check(status == 0, f"{status}")
        with open(one(files), encoding="utf-8") as file:
            text = file.read()
        check(re.search(r"^summary: 0(?: 0)*$", text, re.MULTILINE), f"{tool}: counted in native code: {text}")
        if shutil.which(annotate):
            read = subprocess.run([annotate, one(files)], capture_output=True, text=True, timeout=60)
            check(read.returncode == 0 and "Ir" in read.stdout, f"{tool}: {read.stdout[:500]} {read.stderr}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (exact_count, against_valgrind, threads_count_in_parallel, processes, killed,
                                          readers, instrumented_parts_only)}, __doc__)
