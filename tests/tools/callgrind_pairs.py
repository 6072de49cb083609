#!/usr/bin/python3
"""Callgrind's options in pairs: with each other, with threads, children, exec'd images and instrumentation switched off
and on. What must hold: rows sum to totals, parts to the whole, the root's inclusive cost is everything, and figures of
the program's own functions are Valgrind's."""
import collections
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import procs  # noqa: E402
import session  # noqa: E402
from callgrind_parts import Part, check_sums, parts_in  # noqa: E402
from session import check  # noqa: E402

CACHES = ["--cache-sim=yes", "--I1=1024,2,64", "--D1=1024,2,64", "--LL=4096,4,64"]
SEPARATED = ("helper", "wrapper", "first", "second", "ping", "pong", "work", "main")
PROFILED = ("fib", "leaf", "add_one", "add_two", "through_pointers", "work", "thread")


def ours(place, program, arguments, options):
    """All parts of all processes; each sums up."""
    place.run(["-q", "--tool=callgrind", "--trace-children=yes", *options, os.path.join(place.programs, program),
               *arguments], timeout=60)
    place.check_complete()
    paths = [p for p in glob.glob(os.path.join(place.log, "*", "callgrind.out.*")) if not p.endswith(".collapsed")]
    parts = [part for path in sorted(paths) for part in parts_in(path)]
    check(parts, f"{options}: no profile")
    for part in parts:
        check_sums(part)
    return parts


def valgrinds(place, program, arguments, options):
    if not shutil.which("valgrind"):
        return None
    for old in glob.glob(os.path.join(place.folder, "valgrind.*")):
        os.remove(old)
    levels = [] if any("-recs=" in option for option in options) else ["--separate-recs=1"]
    subprocess.run(["valgrind", "-q", "--tool=callgrind", *levels, "--trace-children=yes", "--compress-strings=no",
                    f"--callgrind-out-file={place.folder}/valgrind.%p", *options,
                    os.path.join(place.programs, program), *arguments], timeout=90, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [part for path in sorted(glob.glob(os.path.join(place.folder, "valgrind.*"))) if os.path.getsize(path)
            for part in parts_in(path)]


def costs(parts, names):
    """Sums over parts of the own functions, with callers and levels in their names."""
    sums = collections.defaultdict(list)
    for part in parts:
        for name, values in part.cost.items():
            if re.split("'", name)[0] in names:
                Part.add(sums[name], values)
    return {name: trim(values) for name, values in sums.items() if any(values)}


def trim(values):
    """Zeros at the end may be left out."""
    values = list(values)
    while values and values[-1] == 0:
        values.pop()
    return tuple(values)


def edges(parts, names):
    """The same of calls: number, and inclusive cost."""
    calls, inclusive = collections.Counter(), collections.defaultdict(list)
    for part in parts:
        for edge in part.inclusive:
            if all(re.split("'", name)[0] in names for name in edge):
                calls[edge] += part.calls[edge]
                Part.add(inclusive[edge], part.inclusive[edge])
    return {edge: (calls[edge], trim(inclusive[edge])) for edge in inclusive if any(inclusive[edge])}


def check_main(part, where):
    """What main and all that it calls cost is the cost of the call of main, in each event."""
    inside, call = [], []
    for name, values in part.cost.items():
        if re.split("'", name)[0] == "main":
            Part.add(inside, values)
    for edge, values in part.inclusive.items():
        caller, callee = (re.split("'", name)[0] for name in edge)
        if caller == "main":
            Part.add(inside, values)
        if callee == "main":
            Part.add(call, values)
    check(any(call) and trim(inside) == trim(call), f"{where}: main costs {inside}, its call {call}")


def same(place, program, arguments, options, names):
    """Costs of functions and of calls, summed over parts, are Valgrind's. Numbers of calls are not compared: one that
    is open when a part begins counts as one there, and not in Valgrind's."""
    mine, theirs = ours(place, program, arguments, options), valgrinds(place, program, arguments, options)
    where = f"{program} {' '.join([*arguments, *options])}"
    if theirs is None:
        print("skipped: valgrind is not installed")
        return mine
    check(mine[0].events == theirs[0].events, f"{where}: {mine[0].events}, Valgrind {theirs[0].events}")
    for what in (costs, edges):
        one, other = what(mine, names), what(theirs, names)
        if what is edges:
            one, other = ({edge: row[1] for edge, row in found.items()} for found in (one, other))
        check(other, f"{where}: Valgrind has none of {names}")
        wrong = {key: (one.get(key), other.get(key)) for key in {*one, *other} if one.get(key) != other.get(key)}
        check(not wrong, f"{where}: {len(wrong)} of {len(other)} {what.__name__} differ, ours and Valgrind's: "
                         f"{dict(list(wrong.items())[:5])}")
    check(len(mine) == len(theirs), f"{where}: {len(mine)} parts, Valgrind {len(theirs)}")
    return mine


def separation_with_parts(place):
    """What tells costs apart, with what makes parts."""
    for options in (["--separate-callers2=helper", "--dump-before=second"],
                    ["--separate-recs2=wrapper", "--dump-after=wrapper"],
                    ["--fn-skip=wrapper", "--dump-after=second"],
                    ["--fn-group1=ping", "--fn-group1=pong", "--dump-before=first"],
                    ["--separate-recs=3", "--skip-direct-rec=yes", "--zero-before=work"],
                    ["--fn-skip=wrapper", "--toggle-collect=second"],
                    ["--separate-callers1=helper", "--toggle-collect=ping"]):
        same(place, "separated", [], options, SEPARATED)


def parts_sum_to_the_whole(place):
    """Parts of any kind together hold what one file does, accesses too."""
    for extra in ([], ["--separate-callers=1"], ["--fn-skip=wrapper"], ["--fn-group1=ping", "--fn-group1=pong"],
                  [*CACHES, "--branch-sim=yes", "--collect-bus=yes"]):
        whole = ours(place, "separated", [], extra)
        check(len(whole) == 1, f"{len(whole)} parts")
        check_main(whole[0], str(extra))
        for cut in (["--dump-before=helper"], ["--dump-after=p?ng"], ["--dump-every-bb=700"],
                    ["--dump-before=second", "--dump-after=first", "--combine-dumps=yes"]):
            parts = ours(place, "separated", [], [*extra, *cut])
            check(len(parts) > 3, f"{extra} {cut}: {len(parts)} parts")
            for what in (costs, edges):
                one, other = what(parts, SEPARATED), what(whole, SEPARATED)
                # A call that a part begins in is open in the next: the number may be larger. Misses depend on where
                # the stack lies.
                one, other = ({key: trim((value[1] if what is edges else value)[:3]) for key, value in found.items()}
                              for found in (one, other))
                check(one == other, f"{extra} {cut}: {what.__name__} {one}, whole {other}")


def simulation_with_separation(place):
    """Simulated events with contexts, parts and collection. Misses depend on what lies in the caches from before, which
    is not the same under Valgrind: with caches, what is accessed is compared."""
    for options in ([*CACHES, "--simulate-wb=yes", "--separate-callers1=leaf"],
                    [*CACHES, "--cacheuse=yes", "--dump-before=work"],
                    [*CACHES, "--simulate-hwpref=yes", "--fn-skip=add_*"],
                    [*CACHES, "--toggle-collect=leaf", "--dump-after=fib"]):
        parts = ours(place, "profiled", ["plain", "2"], options)
        theirs = valgrinds(place, "profiled", ["plain", "2"], options)
        if theirs is None:
            print("skipped: valgrind is not installed")
            return
        check(parts[0].events == theirs[0].events, f"{options}: {parts[0].events}, Valgrind {theirs[0].events}")
        check(parts[0].events[:3] == ["Ir", "Dr", "Dw"], f"{parts[0].events}")
        check(len(parts) == len(theirs), f"{options}: {len(parts)} parts, Valgrind {len(theirs)}")
        accesses = [{name: trim(values[:3]) for name, values in costs(found, PROFILED).items()}
                    for found in (parts, theirs)]
        check(accesses[0] == accesses[1], f"{options}: {accesses[0]}, Valgrind {accesses[1]}")
    same(place, "profiled", ["plain", "2"], ["--collect-bus=yes", "--zero-before=through_pointers"], PROFILED)


def threads_and_processes(place):
    """Threads count apart and together; children and exec'd images have what is theirs."""
    for options in (["--separate-callers1=leaf"], ["--fn-skip=through_pointers"], ["--separate-recs2=fib"],
                    ["--dump-every-bb=5000"], ["--collect-bus=yes"]):
        unit = costs(ours(place, "profiled", ["plain", "1"], options), PROFILED)
        for more in ([], ["--separate-threads=yes"], ["--combine-dumps=yes", "--separate-threads=yes"]):
            found = costs(ours(place, "profiled", ["threads", "3"], [*options, *more]), PROFILED)
            for name, values in unit.items():
                if name.startswith("leaf'") or name.split("'")[0] not in ("fib", "leaf", "add_one", "add_two"):
                    continue
                check(found.get(name) == tuple(12 * value for value in values),
                      f"{options} {more}: {name}: {found.get(name)}, one thread once {values}")
        for kind, times in (("fork", 4), ("exec", 5)):
            found = costs(ours(place, "profiled", [kind, "3"], options), PROFILED)
            check(found["fib"] == tuple(times * value for value in unit["fib"]), f"{options} {kind}: {found['fib']}")


def parts_by_blocks(place):
    """--dump-every-bb: as many parts as Valgrind makes, when N is more than it runs in one go."""
    for program, arguments, names in (("profiled", ["plain", "150"], PROFILED), ("separated", [], SEPARATED)):
        whole = ours(place, program, arguments, [])
        blocks = int(re.search(r"- (\d+)", whole[0].head["Timerange"])[1])
        every = max(200, blocks // 4)
        parts = ours(place, program, arguments, [f"--dump-every-bb={every}"])
        check(len(parts) == blocks // every + 1, f"{program}: {len(parts)} parts of {every} of {blocks} blocks")
        check(costs(parts, names) == costs(whole, names), f"{program}: parts do not sum to the whole")
        numbers = sorted(int(part.head["part"]) for part in parts)
        check(numbers == list(range(1, len(parts) + 1)), f"{numbers}")
        last = [part.head["Trigger"] for part in parts if int(part.head["part"]) == len(parts)]
        check(last == ["Program termination"], f"{last}")
    theirs = valgrinds(place, "profiled", ["plain", "150"], [f"--dump-every-bb={200_000}"])
    if theirs is None:
        return
    mine = ours(place, "profiled", ["plain", "150"], [f"--dump-every-bb={200_000}"])
    check(costs(mine, PROFILED) == costs(theirs, PROFILED), "sums over parts")
    # Valgrind looks at its count when it switches threads, each 100,000 blocks: no more often than that.
    check(len(theirs) <= len(mine) <= 2 * len(theirs), f"{len(mine)} parts, Valgrind {len(theirs)}")


def events_of_all_kinds(place):
    """--collect-bus and --collect-systime beside the simulated events: Valgrind's order, numbers and units."""
    own = ("work", "locks", "calls", "sleeps", "main")
    for options in (["--collect-bus=yes"], ["--collect-systime=yes"], ["--collect-systime=nsec"],
                    ["--collect-bus=yes", "--collect-systime=usec", "--branch-sim=yes", *CACHES, "--cacheuse=yes"],
                    ["--collect-systime=msec", "--toggle-collect=calls"],
                    ["--collect-systime=usec", "--separate-callers=2", "--collect-bus=yes"],
                    ["--collect-bus=yes", "--fn-skip=locks"]):
        parts, theirs = (find(place, "parts", ["plain"], options) for find in (ours, valgrinds))
        if theirs is None:
            print("skipped: valgrind is not installed")
            return
        events = parts[0].events
        check(events == theirs[0].events, f"{options}: {events}, Valgrind {theirs[0].events}")
        check(parts[0].head.get("event") == theirs[0].head.get("event"), f"{options}: {parts[0].head}")
        for what, find in (("cost", costs), ("calls", edges)):
            one, other = find(parts, own), find(theirs, own)
            # Calls in Ir contain what the dynamic linker looks for, which is not the same under Valgrind; and its calls
            # have system calls that were made while nothing was collected.
            switched = any("toggle" in option for option in options)
            for name in ("Ir", "Ge", "sysCount"):
                if name not in events or (what == "calls" and (name == "Ir" or switched)):
                    continue
                def column(found):
                    rows = {key: value[1] if what == "calls" else value for key, value in found.items()}
                    at = events.index(name)
                    return {key: values[at] for key, values in rows.items() if len(values) > at and values[at]}
                check(column(one) == column(other),
                      f"{options}: {what} in {name}: {column(one)}, Valgrind {column(other)}")
    parts = ours(place, "parts", ["plain"], ["--collect-systime=usec"])
    asleep = parts[0].inclusive["main", "sleeps"]
    check(asleep[1] == 1 and 20_000 <= asleep[2] < 10_000_000, f"sleeps: {asleep}")
    check(parts[0].inclusive["main", "calls"][1] == 5, f"calls: {parts[0].inclusive['main', 'calls']}")
    both = ours(place, "parts", ["fork"], ["--collect-systime=nsec"])
    check(len(both) == 2 and all(part.events[-1] == "sysCpuTime" for part in both), "a fork's child")
    for part in both:
        check_main(part, "systime")


def wait_for_read(place):
    """Until the program stands in read(): what it executes natively before that is not counted."""
    pid = next(record["pid"] for record in place.process_records().values())
    session.wait_until(lambda: procs.read(f"/proc/{pid}/syscall").startswith("0 "), 30, "the program reads")


def switched_off_and_on(place):
    """Instrumentation off and on while the program waits: nothing is lost, and stacks go on."""
    own = ("work", "deep")
    for options in ([], ["--separate-callers2=work"], ["--separate-recs3=deep"], ["--fn-skip=work"],
                    ["--fn-group1=deep", "--fn-group1=work"], ["--dump-before=work"], ["--dump-after=deep"],
                    ["--toggle-collect=work"], ["--separate-threads=yes", "--collect-systime=usec"],
                    [*CACHES, "--cacheuse=yes"], [*CACHES, "--simulate-wb=yes"], ["--dump-every-bb=100"]):
        found = []
        for switches in (0, 2):
            process = place.start(["-q", "--tool=callgrind", *options, os.path.join(place.programs, "live"), "blocked"],
                                  stdin=subprocess.PIPE)
            check(process.stdout.readline() == "deep\n", "not there")
            wait_for_read(place)
            for _ in range(switches):
                for state in ("off", "on"):
                    status, text, errors = place.ctl("-i", state)
                    check(status == 0, f"{options}: -i {state}: {text} {errors}")
            process.communicate("x", timeout=30)
            check(process.returncode == 0, f"{options}: {process.returncode}")
            paths = glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))
            parts = [part for path in sorted(paths) for part in parts_in(path)]
            for part in parts:
                check_sums(part)
            sums = costs(parts, own)
            found.append(({name: values[:1] for name, values in sums.items()},
                          {edge: (calls, values[:1]) for edge, (calls, values) in edges(parts, own).items()}
                          if not any("dump" in option for option in options) else {}))
        check(found[0] == found[1], f"{options}: as usual {found[0]}, switched off and on {found[1]}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (separation_with_parts, parts_sum_to_the_whole, simulation_with_separation,
                                          threads_and_processes, parts_by_blocks, events_of_all_kinds,
                                          switched_off_and_on)}, __doc__)
