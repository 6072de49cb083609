#!/usr/bin/python3
"""Counts are exact where a program is interrupted, by signals and faults in the middle of blocks and by switches, and
where a site has many callees."""
import glob
import os
import signal
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import Profile, one  # noqa: E402
from session import check  # noqa: E402

MODES = ([], ["--max-block-instructions=1"], ["--link=no"], ["--flush-every=50"], ["--verify-fragments=yes"],
         ["--collapsed=yes"], ["--separate-callers=2"], ["--collect-jumps=yes"],
         ["--cache-sim=yes", "--branch-sim=yes"])

ROUNDS = 9 * 300000


def events(path):
    """The sums of all events, by name."""
    names = values = None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("events:"):
                names = line.split()[1:]
            elif line.startswith("summary:"):
                values = [int(word) for word in line.split()[1:]]
    return dict(zip(names, values + [0] * len(names)))


def output(place, tool="callgrind"):
    """The one file that the tool has written."""
    return one(dict(enumerate(glob.glob(os.path.join(place.log, "*", f"{tool}.out.*[0-9]")))))


def count(place, kind, options=(), tool="callgrind"):
    """How often the handler ran, and the file."""
    command = ["-q", f"--tool={tool}", *options, os.path.join(place.programs, "interrupted"), kind]
    status, text, errors = place.run(command, timeout=100)
    check(status == 0, f"{kind} {options}: {status} {errors}")
    place.check_complete()
    return int(text, 16), output(place, tool)


def signals_in_the_middle_of_blocks(place):
    """Main's instructions and the handler's add up, wherever the timer's signals come."""
    for tool, modes in (("callgrind", MODES), ("cachegrind", (MODES[0], MODES[2], MODES[-1]))):
        for options in modes:
            _, path = count(place, "n9", options, tool)
            alone = events(path)
            times, path = count(place, "t9", options, tool)
            found = events(path)
            check(times > 20, f"{tool} {options}: {times} signals")
            check(found["Ir"] == alone["Ir"] + 5 * times,
                  f"{tool} {options}: {times} signals, {alone['Ir']} and {found['Ir'] - alone['Ir']} Ir")
            if "Dr" in alone:
                reads = 2 if tool == "cachegrind" else 1  # what reads and writes an operand
                check(found["Dr"] == alone["Dr"] + reads * times, f"{tool}: {times} signals, {alone}, {found}")
                check(found["Bc"] == alone["Bc"] and found["Bi"] == alone["Bi"], f"{tool}: {alone}, {found}")
            # Profile reads no jumps.
            if tool == "callgrind" and "Dr" not in alone and "--collect-jumps=yes" not in options:
                calls_are_exact(Profile(path), options)


def calls_are_exact(profile, options):
    for callee in ("work", "other"):
        calls = sum(edge[0] for (_, name), edge in profile.calls.items() if name.split("'")[0] == callee)
        check(calls == ROUNDS, f"{options}: {calls} calls of {callee}")


def locks_in_blocks_that_are_cut(place):
    """Ge, the last column, is exact by instruction and by call."""
    times, path = count(place, "t9", ["--collect-bus=yes"])
    check(times > 20, f"{times} signals")
    profile = Profile(path)
    check(profile.cost["work"] == ROUNDS, f"{times} signals: {profile.cost['work']} Ge of work itself")
    calls = sum(edge[1] for (_, callee), edge in profile.calls.items() if callee == "work")
    check(calls == ROUNDS, f"{times} signals: {calls} Ge of calls of work")


def faults_in_the_middle_of_blocks(place):
    """An instruction that faults is not executed, nor is what comes behind it in its block."""
    for tool, modes in (("callgrind", MODES), ("cachegrind", (MODES[0], MODES[-1]))):
        for options in modes:
            _, path = count(place, "g1", options, tool)
            alone = events(path)["Ir"] - 2  # a comparison that decides between f and g, and its jump
            times, path = count(place, "f1", options, tool)
            found = events(path)["Ir"]
            check(times == 1000, f"{times} faults")
            check(found == alone + (4 + 2 - 1) * times, f"{tool} {options}: {alone} and {found - alone} Ir")


def instructions_of(path):
    """Ir by address, of a file with --dump-instr=yes --compress-pos=no."""
    found = {}
    is_call = False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if line.startswith("0x") and not is_call:
                found[int(words[0], 16)] = found.get(int(words[0], 16), 0) + int(words[-1])
            is_call = line.startswith("calls=")
    return found


def profile_of(place, options, program):
    """The profile, and its calls and their inclusive cost by functions, whatever their contexts."""
    status, _, errors = place.run(["-q", "--tool=callgrind", *options, os.path.join(place.programs, program)],
                                  timeout=100)
    check(status == 0, f"{options}: {status} {errors}")
    profile = Profile(output(place))
    edges = {}
    for (caller, callee), edge in profile.calls.items():
        key = caller.split("'")[0], callee.split("'")[0]
        edges[key] = [a + b for a, b in zip(edges.get(key, (0, 0)), edge)]
    return profile, edges


def many_callees_of_a_site(place):
    """Two threads call 1,000 functions through the same two sites: each pair has its own number of calls."""
    for options in MODES:
        # Profile reads no jumps; each flush begins new records of the sites, more than there is room for.
        if options in (["--collect-jumps=yes"], ["--flush-every=50"]):
            continue
        _, edges = profile_of(place, options, "callees")
        for n in range(1000):
            found = tuple(edges.get((caller, f"f{n:03}"), (0, 0))[0] for caller in ("up", "down"))
            check(found == (2 * (n + 1), 2 * (1000 - n)), f"{options}: f{n:03} is called {found} times")


def slots_bound_anew(place):
    """A call through a linkage table is a call of what its slot leads to then, and costs what the entry costs, too."""
    for options in MODES:
        if options == ["--collect-jumps=yes"]:  # Profile reads no jumps
            continue
        profile, edges = profile_of(place, options, "bound")
        for callee, times in (("first", 1500), ("second", 750), ("third", 750)):
            # An entry's instructions are the caller's: endbr64 and jmp.
            calls, inclusive = edges[("calls", callee)]
            check(calls == times, f"{options}: {callee} is called {calls} times")
            if "--cache-sim=yes" in options:  # the last column is another event
                continue
            own = sum(cost for name, cost in profile.cost.items() if name.split("'")[0] == callee)
            check(inclusive == own, f"{options}: {callee} costs {inclusive} Ir of {own}")
        left = profile.cost.get("entry", 0)  # where each instruction is a block, what is behind the first stays
        check(left == (3000 if "--max-block-instructions=1" in options else 0), f"{options}: the entry costs {left}")


THREADS = 8
IN_ORDER = (0, 1, 2, 7, 10, 11, 3, 4, 5, 6, 8, 9)  # as the instructions follow each other
SOMETIMES = 4  # of them is executed each second time


def counted_and_done(place, shared):
    """Ir of each instruction that counts itself in memory, and what it has counted."""
    with open(shared, "rb") as file:
        words = struct.unpack("512Q", file.read(4096))
    places = words[256:256 + len(IN_ORDER)]
    path = output(place)
    found = instructions_of(path)
    return ([found.get(address, 0) for address in places],
            [sum(words[32 * thread + i] for thread in range(THREADS)) for i in IN_ORDER], Profile(path))


def ended_command(place, shared, kind, options):
    with open(shared, "wb") as file:
        file.write(bytes(4096))
    return ["-q", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", *options,
            os.path.join(place.programs, "ended"), kind, shared]


def threads_that_are_ended_in_the_middle(place):
    """By another thread's exit_group and by SIGKILL: each instruction has the Ir that it was executed."""
    shared = os.path.join(place.folder, "ended.counts")
    for options in MODES[:7]:
        for kind in ("exit", "kill"):
            for _ in range(3):
                status, _, errors = place.run(ended_command(place, shared, kind, options), timeout=60)
                check(status == (0 if kind == "exit" else -signal.SIGKILL), f"{kind} {options}: {status} {errors}")
                counted, done, profile = counted_and_done(place, shared)
                check(min(done) > 0 and counted == done, f"{kind} {options}: {counted} Ir, executed {done}")
                for edge, (_, cost) in profile.calls.items():
                    check(cost <= profile.total(), f"{kind} {options}: {edge} {cost} of {profile.total()}")


def detached_in_the_middle(place):
    """Of a block at most one instruction after another is missing for each thread, and some are."""
    shared = os.path.join(place.folder, "ended.counts")
    cut = rounds = 0
    while rounds < 4 or (cut == 0 and rounds < 40):  # a busy machine may find all of them between blocks
        rounds += 1
        process = place.start(ended_command(place, shared, "wait", []))
        control = place.control()
        status, _, errors = place.ctl("detach")
        check(status == 0, errors)
        control.close()
        for record in place.process_records().values():
            os.kill(record["pid"], signal.SIGKILL)
        process.communicate(timeout=20)
        counted, _, _ = counted_and_done(place, shared)
        sometimes = counted.pop(SOMETIMES)
        check(counted[0] >= counted[10] >= counted[0] - THREADS and counted == sorted(counted, reverse=True), counted)
        check(abs(2 * sometimes - counted[0]) <= 2 * THREADS, f"{sometimes} of {counted}")
        cut += counted[0] - counted[2] + counted[6] - counted[7] + counted[9] - counted[10]
    check(cut > 0, "some of the threads were in the middle of a block")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (signals_in_the_middle_of_blocks, locks_in_blocks_that_are_cut,
                                            faults_in_the_middle_of_blocks, many_callees_of_a_site, slots_bound_anew,
                                            threads_that_are_ended_in_the_middle, detached_in_the_middle)}, __doc__)
