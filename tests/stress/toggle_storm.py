#!/usr/bin/python3
"""The toggle storm: a program with 4 threads, timers, forks and generated code is switched every 2 ms for 20 s."""
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import control  # noqa: E402
import session  # noqa: E402
from session import check  # noqa: E402

SECONDS = float(os.environ.get("VSUP_STORM_SECONDS", "20"))


def storm(place, options=("--tool=none",)):
    program = os.path.join(place.programs, "storm")
    errors_path = os.path.join(place.folder, "errors.txt")
    with open(errors_path, "w", encoding="utf-8") as errors:
        process = place.start(["-q", *options, program, str(SECONDS)], stderr=errors)
    toggler = control.Toggler(place.env["XDG_RUNTIME_DIR"], 0.002)
    toggler.start()
    try:
        output, _ = process.communicate(timeout=SECONDS * 2 + 30)
    finally:
        toggler.stop()
        with open(errors_path, encoding="utf-8") as f:
            print(f.read().strip())
        print(f"{toggler.done} toggles; last problem: {toggler.problem}")
    check(process.returncode == 0, f"status {session.name_of(process.returncode)}, output {output!r}")
    check(output == "storm weathered\n", f"output {output!r}")
    check(toggler.done > SECONDS * 10, f"only {toggler.done} toggles in {SECONDS:g} s")
    times = sorted(toggler.milliseconds)
    print(f"a toggle took {statistics.median(times):.2f} ms (median), {times[-1]:.1f} ms at most")
    records = place.check_complete()
    check(len(records) > 1, "the children have no directories")


def storm_tiny_cache(place):
    """The same for a quarter of the time, with a cache that is emptied all the time."""
    global SECONDS
    whole, SECONDS = SECONDS, SECONDS / 4
    try:
        storm(place, ["--tool=none", "--cache-limit=262144"])
    finally:
        SECONDS = whole


def storm_callgrind(place):
    """For a quarter of the time with a tool that keeps stacks."""
    global SECONDS
    whole, SECONDS = SECONDS, SECONDS / 4
    try:
        storm(place, ["--tool=callgrind", "--collapsed=yes"])
    finally:
        SECONDS = whole


def many_clients(place):
    """Eight clients switch at once; each gets its answers, and the program is unharmed."""
    program = os.path.join(place.programs, "storm")
    process = place.start(["-q", "--tool=none", program, "3"], stderr=subprocess.DEVNULL)
    togglers = [control.Toggler(place.env["XDG_RUNTIME_DIR"], 0.01) for _ in range(8)]
    for toggler in togglers:
        toggler.start()
    time.sleep(0)
    output, _ = process.communicate(timeout=40)
    for toggler in togglers:
        toggler.stop()
    check(process.returncode == 0 and output == "storm weathered\n",
          f"status {session.name_of(process.returncode)}, output {output!r}")
    check(all(toggler.done > 5 for toggler in togglers), f"toggles: {[t.done for t in togglers]}")


if __name__ == "__main__":
    session.main({"storm": storm, "storm_tiny_cache": storm_tiny_cache,
                  "storm_callgrind": storm_callgrind, "many_clients": many_clients}, __doc__)
