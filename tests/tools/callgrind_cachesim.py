#!/usr/bin/python3
"""Cache and branch simulation under callgrind: self costs and inclusive costs of calls in every event equal to
Valgrind's own, for the program whose accesses are the same in both, with caches of all shapes and all rules; a dynamic
program with threads, forks and switched collection; and callgrind_annotate."""
import collections
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cachesim  # noqa: E402
import session  # noqa: E402
from session import check  # noqa: E402

RULES = ((), ("--simulate-wb=yes",), ("--simulate-hwpref=yes",), ("--simulate-wb=yes", "--simulate-hwpref=yes"))

# Functions of accesses.S in which vsup's figures differ from Valgrind's 3.19, beside cachesim.DIFFERENCES, and why.
DIFFERENCES = {
    "(below main)": "Valgrind counts a block's own cost where it is left: the program's last block never is",
    "masked": "Valgrind's own and inclusive costs of a block with guarded loads disagree, as do its summary and totals",
}
# Calls that Valgrind has not.
CALLS_OF_OURS = {
    ("jumps", "jumps"): "without unwind tables an indirect jump within a function is taken for a call",
    ("known_target", "known_target"): "likewise",
}
OWN = ("fib", "leaf", "add_one", "add_two", "through_pointers", "work")
FIXED = ("Ir", "Dr", "Dw", "Bc", "Bi")  # these do not depend on where things lie in memory


class Profile:
    """A callgrind.out: cost by function, and (caller, callee) -> [calls, inclusive cost], costs by event."""

    def __init__(self, path):
        self.events, self.descriptions, self.lines = [], [], {}
        self.cost = collections.defaultdict(collections.Counter)
        self.calls = collections.defaultdict(lambda: [0, collections.Counter()])
        names = {}
        positions = 1
        function = callee = pending = None
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                name = re.match(r"(c?fn)=(?:\((\d+)\))? ?(.*)", line)
                if name:
                    kind, number, text = name.groups()
                    if number and text:
                        names[number] = text
                    text = text or names[number]
                    function, callee = (text, callee) if kind == "fn" else (function, text)
                elif line.startswith("desc:") and "cache" in line:
                    self.descriptions.append(line.strip())
                elif line.startswith("positions:"):
                    positions = len(line.split()) - 1
                elif line.startswith("events:"):
                    self.events = line.split()[1:]
                elif line.startswith(("summary:", "totals:")):
                    self.lines[line.split(":")[0]] = self.values(line.split()[1:])
                elif line.startswith("calls="):
                    pending = int(line[6:].split()[0])
                elif re.match(r"[+*\-0-9]", line):
                    values = self.values(line.split()[positions:])
                    if pending is None:
                        self.cost[function].update(values)
                    else:
                        self.calls[function, callee][0] += pending
                        self.calls[function, callee][1].update(values)
                    pending = None

    def values(self, numbers):
        return collections.Counter(dict(zip(self.events, map(int, numbers))))

    def check_sums(self):
        for event in self.events:
            total = sum(cost[event] for cost in self.cost.values())
            for line in ("summary", "totals"):
                check(self.lines[line][event] == total, f"{line} of {event}: {self.lines[line][event]}, rows {total}")


def run(place, program, *options, arguments=()):
    profile = Profile(cachesim.simulate(place, program, *options, tool="callgrind", arguments=arguments))
    profile.check_sums()
    return profile


def valgrind(place, program, *options):
    return Profile(cachesim.valgrind(place, program, "--separate-recs=1", *options, tool="callgrind"))


def different(ours, theirs, events):
    return {event: (ours[event], theirs[event]) for event in events if ours[event] != theirs[event]}


def compare(place, *options):
    ours, theirs = run(place, "accesses", *options), valgrind(place, "accesses", *options)
    check(ours.events == theirs.events, f"{ours.events}, Valgrind {theirs.events}")
    check(ours.descriptions == theirs.descriptions, f"{ours.descriptions}, Valgrind {theirs.descriptions}")
    check(set(ours.cost) == set(theirs.cost) and len(ours.cost) > 60, f"{set(ours.cost) ^ set(theirs.cost)}")
    skipped = set(cachesim.DIFFERENCES) | set(DIFFERENCES)
    # What a function leaves in caches of a few lines, streams of the prefetcher and accesses to a line that another
    # pays for differ for the next, too.
    if {"--LL=128,2,64", "--simulate-hwpref=yes", "--cacheuse=yes"} & set(options):
        skipped |= {"register_state", "walk"}
    for name, cost in ours.cost.items():
        wrong = {} if name in skipped else different(cost, theirs.cost[name], ours.events)
        check(not wrong, f"{options} {name}: (vsup, Valgrind) {wrong}")
    check(set(ours.calls) - set(CALLS_OF_OURS) == set(theirs.calls), f"calls: {set(ours.calls) ^ set(theirs.calls)}")
    for edge, (calls, cost) in theirs.calls.items():
        check(ours.calls[edge][0] == calls, f"{options} {edge}: {ours.calls[edge][0]} calls, Valgrind {calls}")
        wrong = {} if skipped & set(edge[1:]) else different(ours.calls[edge][1], cost, ours.events)
        check(not wrong, f"{options} {edge}: (vsup, Valgrind) {wrong}")


def equals_valgrind(place):
    """Each event of each kind of access, self and inclusive, with caches of all shapes."""
    if cachesim.has_valgrind():
        for caches in cachesim.CACHES:
            compare(place, *caches)


def rules_equal_valgrind(place):
    """Write-back and prefetching."""
    if cachesim.has_valgrind():
        for rules in RULES[1:]:
            for caches in cachesim.CACHES[:2]:
                compare(place, *rules, *caches)


def line_use_equals_valgrind(place):
    """What is paid for lines of which little was used, also those that are cached at the end."""
    if cachesim.has_valgrind():
        for caches in (cachesim.CACHES[0], cachesim.CACHES[1], cachesim.CACHES[4]):
            compare(place, "--cacheuse=yes", *caches)


def calls_of_a_program(place):
    """Of a dynamic program: own functions as in Valgrind; what comes in by calls is what costs within and goes out."""
    for options in ((), ("--collapsed=yes",), ("--toggle-collect=work",)):
        ours = run(place, "profiled", *options)
        for name in ("work", "leaf", "add_one", "through_pointers"):
            entered, left = collections.Counter(), collections.Counter(ours.cost[name])
            for (caller, callee), (_, cost) in ours.calls.items():
                if callee == name:
                    entered.update(cost)
                if caller == name:
                    left.update(cost)
            check(entered["Dr"] > 0 and not different(entered, left, ours.events),
                  f"{options} {name}: called for {entered}, within {left}")
        if not cachesim.has_valgrind():
            continue
        theirs = valgrind(place, "profiled", *(o for o in options if "collapsed" not in o))
        for name in OWN:
            wrong = different(ours.cost[name], theirs.cost[name], FIXED)
            check(not wrong, f"{options} {name}: (vsup, Valgrind) {wrong}")
        edges = [edge for edge in theirs.calls if edge[0] in OWN + ("main",) and edge[1] in OWN]
        check(len(edges) >= 7, f"edges: {edges}")
        for edge in edges:
            wrong = different(ours.calls[edge][1], theirs.calls[edge][1], FIXED)
            check(ours.calls[edge][0] == theirs.calls[edge][0] and not wrong, f"{options} {edge}: {wrong}")


def told_apart(place):
    """Each context has misses of its own: those of the program's functions by recursion level and caller."""
    if not cachesim.has_valgrind():
        return
    for options in (("--separate-recs=3",), ("--separate-callers=2",)):
        ours, theirs = run(place, "accesses", *options), valgrind(place, "accesses", *options)
        plain = run(place, "accesses")
        for event in plain.events:
            check(ours.lines["summary"][event] == plain.lines["summary"][event], f"{options} {event}: {ours.lines}")
        for name in set(ours.cost) & set(theirs.cost):
            # Nor can those be compared that call themselves in ours alone.
            if name.split("'")[0] in {*cachesim.DIFFERENCES, *DIFFERENCES, *(edge[0] for edge in CALLS_OF_OURS)}:
                continue
            wrong = different(ours.cost[name], theirs.cost[name], ours.events)
            check(not wrong, f"{options} {name}: (vsup, Valgrind) {wrong}")
        ours, theirs = run(place, "profiled", *options), valgrind(place, "profiled", *options)
        names = [name for name in theirs.cost if name.split("'")[0] in OWN]
        check(len(names) >= 6, f"{names}")
        for name in names:
            wrong = different(ours.cost[name], theirs.cost[name], FIXED)
            # Between branches of the C library that differ the history does, too.
            near = abs(ours.cost[name]["Bcm"] - theirs.cost[name]["Bcm"]) <= 3
            check(not wrong and near, f"{options} {name}: {wrong} {ours.cost[name]}, Valgrind {theirs.cost[name]}")


def same_in_every_mode(place):
    """Inclusive costs do not depend on how the code cache is used."""
    plain = run(place, "accesses")
    for options in (["--max-block-instructions=1"], ["--link=no"], ["--flush-every=7"], ["--smc-check=all"],
                    ["--verify-fragments=yes"], ["--collapsed=yes"]):
        other = run(place, "accesses", *options)
        for edge, (calls, cost) in plain.calls.items():
            wrong = different(other.calls[edge][1], cost, plain.events)
            check(other.calls[edge][0] == calls and not wrong, f"{options} {edge}: {wrong}")


def threads(place):
    """Four threads at once: each call costs what it costs alone."""
    single = run(place, "profiled", arguments=("plain", "1"))
    together = run(place, "profiled", arguments=("threads", "50"))
    for edge in (("work", "leaf"), ("work", "fib"), ("work", "through_pointers")):
        for event in FIXED:
            check(together.calls[edge][1][event] == 200 * single.calls[edge][1][event],
                  f"{edge} {event}: {together.calls[edge][1]}, once {single.calls[edge][1]}")


def forks(place):
    """A forked child's calls cost from zero, a killed process's up to its end."""
    single = run(place, "profiled", arguments=("plain", "1")).calls["work", "fib"][1]
    path = os.path.join(place.programs, "profiled")
    options = ["-q", "--tool=callgrind", "--trace-children=yes", "--cache-sim=yes", path]
    place.run([*options, "fork", "3"], timeout=60)
    profiles = [Profile(f) for f in glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))]
    counts = sorted(p.calls["work", "fib"][1]["Dw"] / single["Dw"] for p in profiles)
    check(counts == [1, 3], f"fork: work ran {counts} times")
    place.run([*options, "kill", "2"], timeout=60)
    killed = Profile(glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))[0])
    killed.check_sums()
    check(killed.calls["work", "fib"][1]["Dw"] == 2 * single["Dw"], f"{killed.calls['work', 'fib']}")
    dw = killed.calls["(below main)", "main"][1]["Dw"]
    check(2 * single["Dw"] < dw < killed.lines["summary"]["Dw"], f"main is open at the end: {dw}")


def readers(place):
    """callgrind_annotate reads the file, and its sums are ours."""
    if not cachesim.has_valgrind():
        return
    path = cachesim.simulate(place, "profiled", tool="callgrind")
    for options in ([], ["--inclusive=yes"], ["--tree=both", "--sort=D1mr", "--threshold=100"]):
        text = subprocess.run(["callgrind_annotate", *options, path], capture_output=True, text=True, check=True,
                              timeout=60).stdout
        totals = re.search(r"^(.*)PROGRAM TOTALS", text, re.M)
        numbers = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) \(100.0%\)", totals[1])]
        summary = [value for value in Profile(path).lines["summary"].values() if value]
        check(numbers == summary, f"{options}: {totals[0]}, summary {summary}")
        check("fib" in text and "I1 cache" in text, text[:600])


def refused(place):
    """Rules without caches are an error that says what is missing."""
    for option in ("--simulate-wb=yes", "--simulate-hwpref=yes", "--cacheuse=yes"):
        status, _, errors = place.run(["-q", "--tool=callgrind", option, "/bin/true"], timeout=60)
        check(status != 0 and "--cache-sim=yes" in errors, f"{option}: {status} {errors}")
    for options in (("--cacheuse=yes", "--simulate-wb=yes"), ("--cacheuse=yes", "--LL=1073741824,16,64")):
        status, _, errors = place.run(["-q", "--tool=callgrind", "--cache-sim=yes", *options, "/bin/true"], timeout=60)
        check(status != 0 and options[1].split("=")[0] in errors, f"{options}: {status} {errors}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (
        equals_valgrind, rules_equal_valgrind, line_use_equals_valgrind, calls_of_a_program, told_apart,
        same_in_every_mode,         threads, forks, readers, refused)}, __doc__)
