#!/usr/bin/python3
"""The calling-context tree: true stacks, and functions told apart by callers and recursion level, compared with
valgrind --tool=callgrind's."""
import collections
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import OWN, Profile, one, run  # noqa: E402
from session import check  # noqa: E402


class Separate(Profile):
    """A profile whose functions keep their levels and callers."""

    @staticmethod
    def plain(name):
        return name


def valgrind(place, program, *options):
    """Valgrind's own profile of the program, as a file; None when it is not installed."""
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return None
    path = os.path.join(place.folder, "valgrind.out")
    subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={path}", *options,
                    os.path.join(place.programs, program)], check=True, timeout=60, stdout=subprocess.DEVNULL)
    return path


def same(ours, theirs, own, what):
    """Self cost, calls and inclusive cost of the functions, and of calls between them, whose names `own` matches."""
    mine = [name for name in {*ours.cost, *theirs.cost} if re.match(own, str(name))]
    check(len(mine) >= 5, f"{what}: functions {mine}")
    for name in mine:
        check(ours.cost[name] == theirs.cost[name], f"{what}: {name}: {ours.cost[name]}, Valgrind {theirs.cost[name]}")
    edges = [edge for edge in {*ours.calls, *theirs.calls} if all(re.match(own, str(name)) for name in edge)]
    check(len(edges) >= 5, f"{what}: calls {edges}")
    for edge in edges:
        check(ours.calls[edge] == theirs.calls[edge],
              f"{what}: {edge}: {ours.calls[edge]}, Valgrind {theirs.calls[edge]}")


def stacks_of(place):
    files = glob.glob(os.path.join(place.log, "*", "*.collapsed"))
    check(len(files) == 1, f"{files}")
    stacks = {}
    with open(files[0], encoding="utf-8") as lines:
        for line in lines:
            stack, cost = line.rstrip("\n").rsplit(" ", 1)
            stacks[tuple(stack.split(";"))] = int(cost)
    return stacks


def true_stacks(place):
    """Stacks hold each cost once, and callgrind.out is as without them."""
    _, files = run(place, "profiled")
    plain = Profile(one(files))
    _, files = run(place, "profiled", options=["--collapsed=yes"])
    profile = Profile(one(files))
    stacks = stacks_of(place)
    total = sum(stacks.values())
    check(total == profile.total(), f"{total} in stacks, {profile.total()} in the profile")
    own = collections.Counter()
    for stack, cost in stacks.items():
        own[stack[-1]] += cost
    for name in OWN:
        costs = own[name], profile.cost[name], plain.cost[name]
        check(costs[0] == costs[1] == costs[2], f"{name}: {costs}")
    for edge in plain.calls:
        if edge[0] in OWN and edge[1] in OWN:
            check(plain.calls[edge] == profile.calls[edge], f"{edge}: {plain.calls[edge]}, {profile.calls[edge]}")
    # fib(12) calls itself down to fib(1): one function deep to twelve.
    depths = {sum(name == "fib" for name in stack) for stack in stacks}
    check(depths == set(range(13)), f"fib is found at depths {depths}")
    leaf = [stack for stack in stacks if stack[-1] == "leaf"]
    check(len(leaf) == 1 and leaf[0][-3:] == ("main", "work", "leaf"), f"{leaf}")


def stacks_of_threads_and_children(place):
    """A thread's stacks and a child's are theirs."""
    _, files = run(place, "profiled", "threads", "3", options=["--collapsed=yes"])
    stacks = stacks_of(place)
    check(sum(stacks.values()) == Profile(one(files)).total(), "costs of threads")
    check(any(stack[-3:] == ("thread", "work", "leaf") for stack in stacks), f"{list(stacks)[:20]}")
    run(place, "profiled", "fork", "3", options=["--collapsed=yes"])
    leaf = []
    for path in sorted(glob.glob(os.path.join(place.log, "*", "*.collapsed"))):
        with open(path, encoding="utf-8") as lines:
            leaf.append(sum(int(line.split()[-1]) for line in lines if ";work;leaf " in line))
    check(len(leaf) == 2 and sorted(leaf) == [min(leaf), 3 * min(leaf)], f"leaf in parent and child: {leaf}")


def recursion_levels(place):
    """--separate-recs=N as Valgrind has it."""
    for levels in (1, 2, 5):
        reference = valgrind(place, "profiled", f"--separate-recs={levels}")
        if reference is None:
            return
        _, files = run(place, "profiled", options=[f"--separate-recs={levels}"])
        same(Separate(one(files)), Separate(reference), "(" + "|".join(OWN) + ")\\b", f"{levels} levels")


def callers(place):
    """--separate-callers=N as Valgrind has it."""
    for count in (1, 2, 3):
        reference = valgrind(place, "profiled", f"--separate-callers={count}")
        if reference is None:
            return
        _, files = run(place, "profiled", options=[f"--separate-callers={count}", "--separate-recs=2"])
        same(Separate(one(files)), Separate(reference), "(" + "|".join(OWN) + ")\\b", f"{count} callers")


SEPARATED = r"(helper|wrapper|first|second|ping|pong|work|main)\b"


def single_functions(place):
    """Options for single functions, as Valgrind has them: callers, recursion levels, skipping, groups."""
    for options in (["--separate-callers2=helper"], ["--separate-callers1=p?n*", "--separate-callers3=helper"],
                    ["--separate-recs3=ping", "--separate-recs2=wrapper"],
                    ["--separate-recs=4", "--skip-direct-rec=yes"], ["--separate-recs=3", "--skip-direct-rec=no"],
                    ["--fn-skip=wrapper"], ["--fn-skip=p?ng"], ["--fn-skip=second", "--fn-skip=wrapper"],
                    ["--fn-skip=wrapper", "--separate-callers=2"], ["--fn-skip=helper", "--separate-recs=3"],
                    ["--fn-group1=ping", "--fn-group1=pong"],
                    ["--fn-group1=ping", "--fn-group1=pong", "--separate-recs=3", "--separate-callers=1"],
                    ["--fn-group2=second", "--fn-group2=wrapper", "--fn-group2=helper"]):
        levels = [] if any("-recs=" in option for option in options) else ["--separate-recs=1"]
        # Valgrind's numbers of names are not unique when levels differ by function.
        reference = valgrind(place, "separated", *options, *levels, "--compress-strings=no")
        if reference is None:
            return
        _, files = run(place, "separated", options=options)
        same(Separate(one(files)), Separate(reference), SEPARATED, " ".join(options))


def calls_of_all_kinds(place):
    """longjmp, exceptions, tail calls, virtual functions and the procedure linkage table: self costs and numbers of
    calls are Valgrind's; --skip-plt=no shows the table."""
    reference = valgrind(place, "calls", "--separate-recs=1")
    if reference is None:
        return
    _, files = run(place, "calls")
    ours, theirs = Profile(one(files)), Profile(reference)
    mine = r"(deep|thrower|tail_[ab]|call|odd|even|sorter|strings|jumper|[BD]::f)\("
    own = [name for name in theirs.cost if re.match(mine, str(name))]
    check(len(own) >= 11, f"{own}")
    for name in own:
        check(ours.cost[name] == theirs.cost[name], f"{name}: {ours.cost[name]}, Valgrind {theirs.cost[name]}")
    edges = [edge for edge in theirs.calls if edge[0] in own and (edge[1] in own or "::" in edge[1])]
    check(len(edges) >= 15, f"{edges}")
    for edge in edges:
        check(ours.calls[edge][0] == theirs.calls[edge][0],
              f"{edge}: {ours.calls[edge]}, Valgrind {theirs.calls[edge]}")
    for edge in (("deep(int)", "deep(int)"), ("odd(int)", "even(int)"), ("tail_a(int)", "tail_b(int)")):
        check(ours.calls[edge] == theirs.calls[edge], f"{edge}: {ours.calls[edge]}, Valgrind {theirs.calls[edge]}")
    check(not any("@plt" in name for name in ours.cost), "costs of the linkage table")
    _, files = run(place, "calls", options=["--skip-plt=no"])
    check(any("@plt" in name for name in Profile(one(files)).cost), "no costs of the linkage table")


def stacks_of_their_own(place):
    """What runs on a coroutine's stack or in a signal handler is no cost of what it took the place of."""
    for options in ([], ["--collapsed=yes"]):
        _, files = run(place, "stacks", options=options)
        profile = Profile(one(files))
        burn = profile.cost["burn"]
        # 100 turns of 100 rounds, 15 handlers of 1,000, 10 functions of twice 10, five of once and five of once more.
        rounds = 100 * 100 + 15 * 1000 + 10 * 20 + 5 * 10 + 5 * 10
        per_round = profile.calls["in_handler", "burn"][1] / 15000
        check(abs(burn - rounds * per_round) < 20 * 200, f"burn: {burn}, a round {per_round}")
        calls, cost = profile.calls["coroutine", "turn"]
        check(calls == 100 and 100 * 100 * per_round < cost < 100 * 100 * per_round * 1.5, f"turn: {calls}, {cost}")
        calls, cost = profile.calls["main", "take_turns"]
        check(calls == 1 and cost < 100 * 100 * per_round, f"take_turns: {cost}")
        calls, cost = profile.calls["main", "interrupted"]
        check(calls == 10 and cost < 10 * 1000, f"interrupted: {cost}, without its handlers")
        calls, cost = profile.calls["main", "left"]
        check(calls == 5 and cost < 5 * 2000, f"left: {cost}, without its handlers")
        check(profile.calls["handler", "in_handler"][0] == 15, f"{profile.calls['handler', 'in_handler']}")
        check(not any(callee == "handler" for _, callee in profile.calls), "somebody calls the handler")
    stacks = stacks_of(place)
    check(any(stack[-3:] == ("handler", "in_handler", "burn") for stack in stacks), f"{list(stacks)[:30]}")
    check(not any("interrupted" in stack and "handler" in stack for stack in stacks), "the handler has a caller")
    check(any(stack[-3:] == ("coroutine", "turn", "burn") for stack in stacks), f"{list(stacks)[:30]}")
    check(sum(stacks.values()) == profile.total(), f"{sum(stacks.values())}, {profile.total()}")


def jumps_of(path):
    """(function, kind, target) -> [followed, executed] of a profile's jumps within the own functions."""
    names, jumps, function = {}, collections.defaultdict(lambda: [0, 0]), None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            name = re.match(r"(c?fn|jfn)=(?:\((\d+)\))? ?(.*)", line)
            if name:
                if name[2] and name[3]:
                    names[name[2]] = name[3]
                if name[1] == "fn":
                    function = re.sub(r"'\d+$", "", name[3] or names[name[2]])
            elif line.startswith(("jump=", "jcnd=")):
                # Valgrind has a line for each of its blocks that end in the jump.
                kind, numbers, target = re.match(r"(\w+)=(\S+) (.*)", line).groups()
                for i, number in enumerate(numbers.split("/")):
                    jumps[function, kind, target][i] += int(number)
    return {key: count for key, count in jumps.items() if key[0] in OWN}


def jumps(place):
    """--collect-jumps: how often each jump was executed and followed, as Valgrind counts it."""
    options = ["--collect-jumps=yes", "--dump-instr=yes", "--compress-pos=no"]
    reference = valgrind(place, "profiled", *options, "--separate-recs=1")
    if reference is None:
        return
    _, files = run(place, "profiled", options=options)
    ours, theirs = jumps_of(one(files)), jumps_of(reference)
    check(len(theirs) >= 4, f"{theirs}")
    check(ours == theirs, f"{ours}, Valgrind {theirs}")


SORTED = {"main", "fill", "compare", "qsort", "labs"}


def switched_collection(place):
    """--toggle-collect and --collect-atstart: costs and calls are Valgrind's, behind linkage tables, too."""
    # What qsort costs is memcpy's cost, too: the C library takes the one that it takes under Valgrind, without AVX-512.
    place.env["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW"
    for program, own, *options in (("profiled", OWN, "--toggle-collect=work"),
                                   ("profiled", OWN, "--toggle-collect=f?b", "--toggle-collect=lea*"),
                                   ("profiled", OWN, "--collect-atstart=no"),
                                   ("sorted", SORTED, "--toggle-collect=qsort"),
                                   ("sorted", SORTED, "--toggle-collect=labs"),
                                   ("sorted", SORTED, "--toggle-collect=main", "--toggle-collect=qsort"),
                                   ("sorted", SORTED, "--toggle-collect=main", "--toggle-collect=labs")):
        reference = valgrind(place, program, *options, "--separate-recs=1")
        if reference is None:
            return
        _, files = run(place, program, options=options)
        ours, theirs = Profile(one(files)), Profile(reference)
        for name in own:
            check(ours.cost[name] == theirs.cost[name],
                  f"{options}: {name}: {ours.cost[name]}, Valgrind {theirs.cost[name]}")
        for edge in {*ours.calls, *theirs.calls}:
            # Valgrind leaves out calls of functions that end collection, which cost nothing; here they are counted.
            if edge[0] in own and edge[1] in own and (edge in theirs.calls or ours.calls[edge][1] != 0):
                check(ours.calls[edge] == theirs.calls[edge],
                      f"{options}: {edge}: {ours.calls[edge]}, Valgrind {theirs.calls[edge]}")
        check(ours.total() == theirs.total(), f"{options}: {ours.total()}, Valgrind {theirs.total()}")


def parts_of(paths):
    """Trigger and profile of each part that counted something in the program's own functions, in order."""
    parts = []
    for path in sorted(paths, key=lambda p: int((re.search(r"\.(\d+)$", p) or [0, "999999"])[1])):
        with open(path, encoding="utf-8") as lines:
            trigger = next(line[len("desc: Trigger: "):].strip() for line in lines if line.startswith("desc: Trigger"))
        parts.append((trigger, Profile(path)))
    return parts


def dumps_at_functions(place):
    """--dump-before, --dump-after and --zero-before: parts are made where Valgrind makes them, and hold the same."""
    for options in (["--dump-before=work"], ["--dump-after=f?b"], ["--zero-before=leaf"],
                    ["--dump-before=through_pointers", "--dump-after=leaf"]):
        base = os.path.join(place.folder, "valgrind.parts")
        if valgrind(place, "profiled") is None:
            return
        for old in glob.glob(base + "*"):
            os.remove(old)
        program = os.path.join(place.programs, "profiled")
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={base}", "--separate-recs=1",
                        *options, program, "plain", "2"], check=True, timeout=60, stdout=subprocess.DEVNULL)
        place.run(["-q", "--tool=callgrind", *options, program, "plain", "2"], timeout=60)
        theirs = parts_of(path for path in glob.glob(base + "*") if re.search(r"parts(\.\d+)?$", path))
        ours = parts_of([path for path in glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))])
        for one_of_ours, one_of_theirs in zip(ours[:-1], theirs):
            check(one_of_ours[0] == one_of_theirs[0], f"{options}: {one_of_ours[0]}, Valgrind {one_of_theirs[0]}")
        check(len(ours) == len(theirs), f"{options}: {len(ours)} parts, Valgrind {len(theirs)}")
        for number, (mine, other) in enumerate(zip(ours, theirs)):
            for name in OWN:
                check(mine[1].cost[name] == other[1].cost[name],
                      f"{options}: part {number}: {name}: {mine[1].cost[name]}, Valgrind {other[1].cost[name]}")


def dumps_by_blocks(place):
    """--dump-every-bb: parts of so many blocks, which sum to the whole."""
    program = os.path.join(place.programs, "profiled")
    _, files = run(place, "profiled")
    whole = Profile(one(files))
    place.run(["-q", "--tool=callgrind", "--dump-every-bb=4000", program], timeout=60)
    parts = parts_of(glob.glob(os.path.join(place.log, "*", "callgrind.out.*")))
    check(len(parts) > 3 and all(trigger == "--dump-every-bb=4000" for trigger, _ in parts[:-1]), f"{len(parts)} parts")
    for name in OWN:
        total = sum(profile.cost[name] for _, profile in parts)
        check(total == whole.cost[name], f"{name}: {total} in parts, {whole.cost[name]}")


def collection_by_request(place):
    """CALLGRIND_TOGGLE_COLLECT: costs and calls are Valgrind's."""
    reference = valgrind(place, "switched", "--separate-recs=1")
    if reference is None:
        return
    theirs = Profile(reference)
    _, files = run(place, "switched")
    ours = Profile(one(files))
    check(theirs.cost["seen"] != 0 and theirs.cost["hidden"] == 0, f"{theirs.cost}")
    # main differs: Valgrind judges the block that makes the request by the state after it, and its five instructions
    # are one there.
    for name in ("seen", "hidden", "helper"):
        check(ours.cost[name] == theirs.cost[name], f"{name}: {ours.cost[name]}, Valgrind {theirs.cost[name]}")
    for edge in (("main", "seen"), ("seen", "helper")):
        check(ours.calls[edge] == theirs.calls[edge], f"{edge}: {ours.calls[edge]}, Valgrind {theirs.calls[edge]}")
    # A toggle made while instrumentation is off changes nothing, as in Valgrind.
    for kind in ("native", "early"):
        reference = os.path.join(place.folder, f"{kind}.out")
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={reference}", "--separate-recs=1",
                        "--instr-atstart=no", os.path.join(place.programs, "switched"), kind], check=True, timeout=60)
        theirs = Profile(reference)
        _, files = run(place, "switched", kind, options=["--instr-atstart=no"])
        ours = Profile(one(files))
        for name in ("seen", "hidden", "helper"):
            check(ours.cost[name] == theirs.cost[name],
                  f"{kind}: {name}: {ours.cost[name]}, Valgrind {theirs.cost[name]}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (true_stacks, stacks_of_threads_and_children, recursion_levels, callers,
                                          single_functions, calls_of_all_kinds, stacks_of_their_own, jumps,
                                          switched_collection, dumps_at_functions, dumps_by_blocks,
                                          collection_by_request)},
                 __doc__)
