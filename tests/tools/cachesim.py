#!/usr/bin/python3
"""Cache and branch simulation: every event of every function equal to Valgrind's own, for static programs whose
accesses are the same in both; threads; and what the programs that read the files make of them."""
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

# Cache sizes: this processor's, small ones that evict all the time, one set, one way, unequal lines.
CACHES = ((), ("--I1=1024,2,64", "--D1=2048,2,32", "--LL=8192,4,64"),
          ("--I1=512,1,64", "--D1=64,1,32", "--LL=128,2,64"),
          ("--I1=4096,4,32", "--D1=1024,16,64", "--LL=16384,8,128"), ("--I1=2048,1,64", "--D1=24576,3,128"))

# Functions of accesses.S in which vsup's figures differ from Valgrind's 3.19, and why. All others are equal.
DIFFERENCES = {
    "dead_loads": "Valgrind's optimiser removes loads whose value nobody uses: they are executed, and counted",
    "known_target": "Valgrind's optimiser knows where such a jump leads: it is an indirect branch, and counted",
    "masked": "of masked vector moves Valgrind sees each element whose mask is set: counted as one access",
    "some_state": "of xsave Valgrind sees the parts that eax asks for: counted as if all were",
}


def read(path):
    """Of a cachegrind.out: events, descriptions, {function: Counter}, summary."""
    events, descriptions, summary, function = [], [], None, None
    functions = collections.defaultdict(collections.Counter)
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("desc:"):
                descriptions.append(line.strip())
            elif line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith("fn="):
                function = line[3:].strip()
            elif line[0].isdigit():
                for event, value in zip(events, line.split()[1:]):
                    functions[function][event] += int(value)
            elif line.startswith("summary:"):
                summary = dict(zip(events, map(int, line.split()[1:])))
    return events, descriptions, functions, summary


def simulate(place, program, *options, tool="cachegrind", arguments=()):
    """The file of the program's one process."""
    path = os.path.join(place.programs, program)
    status, _, errors = place.run(["-q", f"--tool={tool}", "--cache-sim=yes", "--branch-sim=yes", *options, path,
                                   *arguments], timeout=120)
    check(status == 0, f"{program}: ends with {session.name_of(status)}: {errors}")
    place.check_complete()
    files = glob.glob(os.path.join(place.log, "*", f"{tool}.out.*[0-9]"))
    check(len(files) == 1, f"files: {files}")
    return files[0]


def valgrind(place, program, *options, tool="cachegrind"):
    path = os.path.join(place.folder, "valgrind.out")
    subprocess.run(["valgrind", "-q", f"--tool={tool}", f"--{tool}-out-file={path}", "--cache-sim=yes",
                    "--branch-sim=yes", *options, os.path.join(place.programs, program)], check=True, timeout=120,
                   stderr=subprocess.DEVNULL)
    return path


def has_valgrind():
    if shutil.which("valgrind"):
        return True
    print("skipped: valgrind is not installed")
    return False


def equals_valgrind(place):
    """Each event of each kind of access, with caches of all shapes."""
    if not has_valgrind():
        return
    for caches in CACHES:
        events, descriptions, ours, summary = read(simulate(place, "accesses", *caches))
        their_events, their_descriptions, theirs, _ = read(valgrind(place, "accesses", *caches))
        check(events == their_events, f"{events}, Valgrind {their_events}")
        check(descriptions == their_descriptions, f"{descriptions}, Valgrind {their_descriptions}")
        check(set(ours) == set(theirs) and len(ours) > 60, f"functions: {set(ours) ^ set(theirs)}")
        # With caches of a few lines what a function leaves there differs for the next, too.
        tiny = "--LL=128,2,64" in caches
        after = {"register_state", "walk"} if tiny else set()
        for name in ours:
            if name in DIFFERENCES or name in after:
                continue
            different = {e: (ours[name][e], theirs[name][e]) for e in events if ours[name][e] != theirs[name][e]}
            check(not different, f"{caches} {name}: (vsup, Valgrind) {different}")
        for event in events:
            check(summary[event] == sum(f[event] for f in ours.values()), f"summary of {event}")


def same_in_every_mode(place):
    """The figures do not depend on how the code cache is used."""
    _, _, plain, _ = read(simulate(place, "accesses"))
    for options in (["--max-block-instructions=1"], ["--max-block-instructions=5"], ["--link=no"], ["--flush-every=7"],
                    ["--smc-check=all"], ["--verify-fragments=yes"]):
        _, _, other, _ = read(simulate(place, "accesses", *options))
        for name in plain:
            check(plain[name] == other[name], f"{options} {name}: {dict(other[name])}, not {dict(plain[name])}")


def counts_of_a_program(place):
    """A dynamic C program runs as it does natively, and its own functions access memory as often as under Valgrind."""
    if not has_valgrind():
        return
    _, _, ours, _ = read(simulate(place, "profiled"))
    _, _, theirs, _ = read(valgrind(place, "profiled"))
    for name in ("fib", "leaf", "add_one", "add_two", "through_pointers", "work"):
        for event in ("Ir", "Dr", "Dw", "Bc", "Bi"):
            check(ours[name][event] == theirs[name][event],
                  f"{name} {event}: {ours[name][event]}, Valgrind {theirs[name][event]}")
    check(ours["fib"]["Dr"] > 0, f"{ours['fib']}")


def threads_have_caches_of_their_own(place):
    """Four threads at once count every access, and each meets caches that are cold."""
    _, _, single, _ = read(simulate(place, "profiled", arguments=("plain", "1")))
    _, _, together, _ = read(simulate(place, "profiled", arguments=("threads", "50")))
    for name in ("fib", "leaf", "add_one"):
        for event in ("Ir", "Dr", "Dw", "Bc", "Bi"):
            check(together[name][event] == 200 * single[name][event],
                  f"{name} {event}: {together[name][event]}, once {single[name][event]}")
    check(together["fib"]["I1mr"] >= 4 * single["fib"]["I1mr"] > 0, f"{together['fib']}, once {single['fib']}")


def one_simulation_at_a_time(place):
    """--cache-sim and --branch-sim by themselves, and neither."""
    both = read(simulate(place, "accesses"))
    path = os.path.join(place.programs, "accesses")
    for options, events in (([], ["Ir"]), (["--branch-sim=yes"], ["Ir", "Bc", "Bcm", "Bi", "Bim"]),
                            (["--cache-sim=yes"], ["Ir", "I1mr", "ILmr", "Dr", "D1mr", "DLmr", "Dw", "D1mw", "DLmw"])):
        status, _, errors = place.run(["-q", "--tool=cachegrind", *options, path], timeout=60)
        check(status == 0, errors)
        found, descriptions, _, summary = read(glob.glob(os.path.join(place.log, "*", "cachegrind.out.*"))[0])
        check(found == events, f"{options}: {found}")
        check(bool(descriptions) == ("--cache-sim=yes" in options), f"{options}: {descriptions}")
        # rep instructions are one Ir a round only where something is simulated.
        for event in events[1:]:
            check(summary[event] == both[3][event], f"{options} {event}: {summary[event]}, {both[3][event]}")


def readers(place):
    """cg_annotate, cg_diff and cg_merge read the files."""
    if not has_valgrind():
        return
    first = os.path.join(place.folder, "first")
    shutil.copy(simulate(place, "profiled", arguments=("plain", "1")), first)
    second = simulate(place, "profiled", arguments=("plain", "3"))
    summary = read(second)[3]
    text = subprocess.run(["cg_annotate", second], capture_output=True, text=True, check=True, timeout=60).stdout
    check("I1 cache:" in text and "fib" in text, text[:600])
    totals = re.search(r"^(.*)PROGRAM TOTALS", text, re.M)
    check(totals and f"{summary['Dr']:,}" in totals[1] and f"{summary['DLmw']:,}" in totals[1], text[:1500])
    text = subprocess.run(["cg_diff", first, second], capture_output=True, text=True, check=True, timeout=60).stdout
    check("summary:" in text and "fib" in text, text[:500])
    merged = os.path.join(place.folder, "merged")
    subprocess.run(["cg_merge", "-o", merged, first, second], check=True, timeout=60, stdout=subprocess.DEVNULL)
    check(read(merged)[3]["Dr"] == read(first)[3]["Dr"] + summary["Dr"], "cg_merge: sums")


def refused(place):
    """Caches that cannot be simulated are an error that names the option."""
    for option in ("--D1=1000,2,64", "--I1=32768", "--LL=1024,4,16", "--D1=0,0,0"):
        command = ["-q", "--tool=cachegrind", "--cache-sim=yes", option, "/bin/true"]
        status, _, errors = place.run(command, timeout=60)
        check(status != 0 and option.split("=", maxsplit=1)[0] in errors, f"{option}: {status} {errors}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (
        equals_valgrind, same_in_every_mode, counts_of_a_program, threads_have_caches_of_their_own,
        one_simulation_at_a_time, readers, refused)}, __doc__)
