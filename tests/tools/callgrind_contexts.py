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


if __name__ == "__main__":
    session.main({f.__name__: f for f in (true_stacks, stacks_of_threads_and_children, recursion_levels, callers)},
                 __doc__)
