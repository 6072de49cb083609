#!/usr/bin/python3
"""Programs with more blocks of code, or more places of calls, than callgrind has room for: what is left out is said."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import Profile  # noqa: E402
from session import check  # noqa: E402


def run(place, kind, count, size):
    """The generated code's cost, and what the log says of lost blocks and places, if it does."""
    status, output, errors = place.run(["-q", "--tool=callgrind", os.path.join(place.programs, "crowded"), kind,
                                        str(count)], timeout=120)
    check(status == 0, f"{kind} {count}: {status} {errors}")
    start = int(output, 16)
    profile = Profile(glob.glob(os.path.join(place.log, "*", "callgrind.out.*[0-9]"))[0])
    cost = sum(cost for name, cost in profile.cost.items()
               if name.startswith("0x") and start <= int(name, 16) < start + size * count + 2)
    with open(glob.glob(os.path.join(place.log, "*", "log.txt"))[0], encoding="utf-8") as log:
        said = re.search(r"no room to count (\d+) blocks of code.* the calls of (\d+) places", log.read())
    return cost, tuple(map(int, said.groups())) if said else None


def calls(place):
    """The calls of some places are not counted, the costs of all are."""
    for count in 100_000, 600_000:
        cost, lost = run(place, "calls", count, 5)
        check(cost == 2 * (2 * count + 1), f"{cost} of {count} calls")
        if count < 500_000:
            check(lost is None, f"{lost}")
        else:
            check(lost is not None and lost[0] == 0 and 70_000 < lost[1] < 100_000, f"{lost}")


def blocks(place):
    """Of code that was translated when there was no room the costs are missing."""
    for count in 100_000, 1_700_000:
        cost, lost = run(place, "blocks", count, 2)
        missing = 2 * (count + 1) - cost
        if count < 1_500_000:
            check(missing == 0 and lost is None, f"{missing} {lost}")
        else:
            check(lost is not None and 160_000 < missing / 2 <= lost[0], f"{missing} {lost}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (calls, blocks)}, __doc__)
