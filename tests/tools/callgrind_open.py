#!/usr/bin/python3
"""Functions that were entered in native code are open when instrumentation is switched on: stacks have them, and their
inclusive cost counts from there."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import Profile, one, run  # noqa: E402
from callgrind_contexts import stacks_of  # noqa: E402
from session import check  # noqa: E402

OFF = ["--instr-atstart=no"]
MODES = ([], ["--max-block-instructions=1"], ["--flush-every=50"], ["--cache-sim=yes"])


def leaves(place):
    """How often `leaf` was executed under each stack, from main on where main is in it."""
    stacks = {stack[stack.index("main") if "main" in stack else 0:]: cost for stack, cost in stacks_of(place).items()
              if stack[-1] == "leaf"}
    profile_of(place, "down", "0", "1")
    once = stacks_of(place)[next(stack for stack in stacks_of(place) if stack[-2:] == ("outer", "leaf"))]
    for stack, cost in stacks.items():
        check(cost % once == 0, f"{stack}: {cost}, not a multiple of {once}")
    return {stack: cost // once for stack, cost in stacks.items()}


def profile_of(place, *arguments, options=()):
    status, files = run(place, "open", *arguments, options=[*OFF, "--collapsed=yes", *options])
    check(status == 0, f"{arguments}: {status}")
    return Profile(one(files))


def down(*depths):
    return {("main", "outer", *["down"] * (depth + 1), "leaf"): 1 for depth in depths}


def depth_is_right_after_each_switch(place):
    """A recursion in which instrumentation goes on and off at several depths: what it comes up through is open."""
    for options in MODES:
        # On at the bottom.
        profile = profile_of(place, "down", "20", hex(1 << 20), options=options)
        expected = {**down(*range(21)), ("main", "outer", "leaf"): 1}
        found = leaves(place)
        check(found == expected, f"{options}: {found}")
        if not options:
            total = profile.total()
            check(profile.calls["main", "outer"] == [1, total], f"{total}: {dict(profile.calls)}")
            check(profile.calls["outer", "leaf"][0] == 1 and profile.calls["outer", "down"][0] == 1,
                  f"{dict(profile.calls)}")
        # On at 5, off at 10, on at 15: more of the way down was not seen. Then others, from the start.
        profile_of(place, "down", "20", hex(1 << 5 | 1 << 10 | 1 << 15), "12", hex(1 << 2 | 1 << 3 | 1 << 11),
                   options=options)
        expected = down(*range(21))
        for stack in down(*range(13)):
            expected[stack] = expected.get(stack, 0) + 1
        expected["main", "outer", "leaf"] = 2
        found = leaves(place)
        check(found == expected, f"{options}: {found}")


def switched_in_a_callback(place):
    """Called by the C library, whose functions have no frame pointer."""
    profile = profile_of(place, "callback")
    found = leaves(place)
    for stack in found:
        check(stack[:2] == ("main", "callback") and stack[-2] == "compare" and len(stack) > 4, found)
    check(profile.calls["(below main)", "main"][1] == profile.calls["main", "callback"][1] + profile.cost["main"],
          f"{dict(profile.calls)}")


def switched_on_another_stack(place):
    """A coroutine's functions are not its caller's; these are open again when it ends."""
    profile_of(place, "coroutine")
    found = leaves(place)
    check(len(found) == 2, found)
    for stack in found:
        check(stack[-2] in ("coroutine", "switches_stacks"), found)
        check(stack[-2] != "coroutine" or "main" not in stack, found)


def switched_in_a_handler(place):
    """What it interrupts is open, and goes on."""
    profile_of(place, "handler")
    found = leaves(place)
    check(sum(stack[-2] == "handler" for stack in found) == 1, found)
    check(sum(stack[:2] == ("main", "is_interrupted") for stack in found) >= 1, found)


def threads_that_block(place):
    """Their stacks are known, too."""
    profile_of(place, "thread")
    found = leaves(place)
    check(found["main", "switches_for_all", "leaf"] == 1 and len(found) == 2, found)
    check(any(stack[-3:] == ("thread", "waits", "leaf") for stack in found), found)


def switched_from_outside(place):
    """vctl -i on while the program blocks in a system call, again and again."""
    command = ["-q", "--tool=callgrind", *OFF, "--collapsed=yes", os.path.join(place.programs, "open"), "reads"]
    process = place.start(command, stdin=-1)
    place.control().close()
    for _ in range(3):
        for state, count in (("on", 2), ("off", 1)):
            status, _, errors = place.ctl("-i", state)
            check(status == 0, errors)
            process.stdin.write("x" * count)
            process.stdin.flush()
            check(process.stdout.read(count) == "x" * count, "the program answers each byte")
    process.communicate(timeout=20)
    check(process.returncode == 0, f"{process.returncode}")
    found = leaves(place)
    check(found == {("main", "leaf"): 6}, found)


if __name__ == "__main__":
    session.main({f.__name__: f for f in (depth_is_right_after_each_switch, switched_in_a_callback,
                                          switched_on_another_stack, switched_in_a_handler, threads_that_block,
                                          switched_from_outside)}, __doc__)
