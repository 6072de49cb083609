#!/usr/bin/python3
"""Callgrind controlled while the program runs or waits: dumps, zero, event counters, status, counted stacks, top."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import control  # noqa: E402
import session  # noqa: E402
from callgrind import Profile, run  # noqa: E402
from session import check  # noqa: E402


def begin(place, *arguments, options=(), program="live"):
    path = os.path.join(place.programs, program)
    return place.start(["-q", "--tool=callgrind", *options, path, *arguments], stdin=subprocess.PIPE)


def ask(control_, name, **members):
    """The result of the only process."""
    rows = control_.request(name, **members)["result"]["processes"]
    check(len(rows) == 1 and "result" in rows[0], f"{name}: {rows}")
    return rows[0]["result"]


def profiles(place):
    """All parts, in order, the last one (without a number) at the end."""
    files = glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))
    return sorted(files, key=lambda f: int((re.findall(r"out\.\d+\.(\d+)", f) or ["999999999"])[0]))


def header(path, key):
    with open(path, encoding="utf-8") as lines:
        return next(line[len(key):].strip() for line in lines if line.startswith(key))


def parts_of_a_blocked_program(place):
    """Dumps and zeros while the program waits in a read: each part has its own costs, open functions the rest."""
    process = begin(place, "blocked")
    check(process.stdout.readline() == "deep\n", "not there")
    session_ = place.control()
    time.sleep(0.1)
    first = ask(session_, "dump", hint="before the read")
    check(first["part"] == 1 and len(first["files"]) == 1, f"{first}")
    path = os.path.join(place.log, first["files"][0])
    check(os.path.exists(path), "the answer came before the file was there")
    check(path.endswith(".1") and header(path, "desc: Trigger:") == "dump before the read", f"{path}")
    check(ask(session_, "events")["threads"][0]["values"] == [0], "counts after a dump")
    stack = ask(session_, "call-stacks")["threads"][0]["frames"]
    names = [frame["function"] for frame in stack]
    check(names.count("deep") == 6 and "main" in names, f"{names}")
    check(all(frame.get("calls", 0) == 0 for frame in stack), "calls were not zeroed")
    empty = ask(session_, "dump")
    check(empty["part"] == 2 and header(os.path.join(place.log, empty["files"][0]), "summary:") == "0", f"{empty}")
    process.communicate("x", timeout=30)
    check(process.returncode == 0, f"{process.returncode}")
    parts = [Profile(f) for f in profiles(place)]
    check(len(parts) == 3, f"{profiles(place)}")
    unit = parts[0].cost["work"]  # work(1000)
    _, files = run(place, "live", "blocked")
    whole = Profile(next(iter(files.values())))
    check(parts[0].cost["work"] + parts[2].cost["work"] == whole.cost["work"], "work is lost or counted twice")
    check(sum(p.total() for p in parts) == sum(p.summary for p in parts), "totals")
    check(parts[0].calls["deep", "work"][0] == 1 and parts[2].calls["deep", "work"][0] == 6, "calls of work")
    # main's call of deep is open all the time: its cost in the last part is what the last part executed below main.
    inclusive = parts[2].calls["main", "deep"][1]
    check(inclusive > 3 * unit and inclusive <= parts[2].summary, f"{inclusive} of {parts[2].summary}")
    if shutil.which("callgrind_annotate"):
        for f in profiles(place):
            text = subprocess.run(["callgrind_annotate", f], capture_output=True, text=True, timeout=60).stdout
            shares = [float(s) for s in re.findall(r"^ *[\d,]+ \( *([\d.]+)%\) ", text, re.M)]
            check(all(share <= 100 for share in shares), f"{f}: {text[:2000]}")


def zero_begins_anew(place):
    """After a zero only what comes later is there, inclusive costs of open functions too."""
    process = begin(place, "blocked")
    check(process.stdout.readline() == "deep\n", "not there")
    session_ = place.control()
    time.sleep(0.1)
    counted = ask(session_, "events")["threads"][0]["values"]
    check(ask(session_, "zero") == {"events": ["Ir"], "values": counted}, "what was zeroed")
    process.communicate("x", timeout=30)
    profile = Profile(profiles(place)[0])
    check(profile.calls["deep", "work"][0] == 6, f"{profile.calls['deep', 'work']}")
    check(profile.calls["main", "deep"][1] <= profile.summary, "more than all")


def dump_storm_with_threads(place):
    """Parts of a program whose threads are born and die: nothing is lost, nothing counted twice."""
    _, files = run(place, "live", "threads", "20")
    unit = Profile(next(iter(files.values()))).cost["work"] // 20
    process = begin(place, "threads", "400")
    session_ = place.control()
    dumps = 0
    try:
        while dumps < 300:
            session_.request("dump" if dumps % 3 else "call-stacks")
            dumps += 1
    except (ConnectionError, OSError, control.Refused):
        pass
    process.communicate(timeout=120)
    check(process.returncode == 0 and dumps > 20, f"{process.returncode}, {dumps} dumps")
    parts = [Profile(f) for f in profiles(place)]
    check(len(parts) > 10, f"{len(parts)} parts")
    check(all(p.total() == p.summary for p in parts), "a part does not sum up")
    cost = sum(p.cost["work"] for p in parts)
    check(cost == 400 * unit, f"{cost} instead of {400 * unit} in {len(parts)} parts")
    calls = sum(p.calls["one_thread", "work"][0] for p in parts)
    check(3200 <= calls <= 3200 + 4 * len(parts), f"{calls} calls of work, which was called 3200 times")


def dump_and_zero_storm(place):
    """Parts and zeroed counts of a program of known length sum to that length."""
    _, files = run(place, "steady")
    whole = Profile(next(iter(files.values()))).total()
    process = begin(place, program="steady")
    session_ = place.control()
    zeroed = asked = 0
    try:
        while True:
            asked += 1
            name = ("dump", "zero", "events", "call-stacks", "costs", "stacks", "tool-status")[asked % 7]
            answer = session_.request(name)
            if name == "zero":
                for row in answer["result"]["processes"]:
                    if "result" in row:  # else the program has ended meanwhile
                        zeroed += row["result"]["values"][0]
    except (ConnectionError, OSError, control.Refused):
        pass
    process.communicate(timeout=120)
    check(process.returncode == 0 and asked > 50, f"{process.returncode}, {asked} requests")
    parts = [Profile(f) for f in profiles(place)]
    total = sum(p.total() for p in parts)
    check(len(parts) > 5 and total + zeroed == whole,
          f"{total} in {len(parts)} parts and {zeroed} zeroed, not {whole} (off by {total + zeroed - whole})")


def vctl_commands(place):
    """What vctl shows of a live profile."""
    process = begin(place, "spin")
    place.control()
    session.wait_until(lambda: " work" in place.ctl("top")[1], 20, "work in vctl top")
    status, text, errors = place.ctl("top", "--once")
    check(status == 0 and re.search(r"\d%\s+\d.*%\s+[\d,]+  work \(live.c\)", text), f"{text} {errors}")
    functions = json.loads(place.ctl("--json", "top")[1])["processes"][0]["result"]["functions"]
    check(functions[0]["function"] == "work" and functions[0]["self"] <= functions[0]["inclusive"], f"{functions[:2]}")
    main = next(f for f in functions if f["function"] == "main")
    check(main["inclusive"] > functions[0]["self"], f"{main}")
    status, text, _ = place.ctl("-d", "here_and_now", "live")
    check(status == 0 and re.search(r"part 1 written: \S+\.1\n", text), text)
    check(header(profiles(place)[0], "desc: Trigger:") == "dump here_and_now", "trigger")
    status, text, _ = place.ctl("-z")
    check(status == 0 and "event counters are zero" in text, text)
    status, text, _ = place.ctl("-e", "Ir")
    check(status == 0 and re.search(r"\d+ live +[\d,]+", text), text)
    status, text, errors = place.ctl("-e", "Dr")
    check(status == 1 and text == "" and "'Dr'" in errors, f"an event that is not there: {status} {text} {errors}")
    status, text, _ = place.ctl("-s")
    for part in ("Number of running threads: 1", "Events collected: Ir", "Functions: ", "Basic blocks: ",
                 "instrumentation on", "Next dump is part 2"):
        check(part in text, f"'{part}' is missing: {text}")
    status, text, _ = place.ctl("-b")
    check(status == 0 and re.search(r"#0 .*work", text) and re.search(r"[\d,]+  main \(0 x\)", text), text)
    place.ctl("-i", "off")
    check("instrumentation off" in place.ctl("-s")[1], "status of a native program")
    place.ctl("-k")
    process.communicate(timeout=20)
    for word in ("-d", "-z", "-e", "top"):
        status, _, errors = place.ctl(word)
        check(status == 1 and errors, f"{word} without a session")


def other_tools_refuse(place):
    """A tool without such requests says so."""
    process = place.start(["-q", "--tool=none", os.path.join(place.programs, "live"), "spin"])
    place.control()
    for word in ("-d", "-z", "-e", "top"):
        status, _, errors = place.ctl(word)
        check(status == 1 and "no request" in errors, f"{word}: {status} {errors}")
    check(place.ctl("-s")[0] == 0 and place.ctl("-b")[0] == 0, "-s and -b")
    place.ctl("-k")
    process.communicate(timeout=20)


def requested_by_the_program(place):
    """CALLGRIND_DUMP_STATS, _DUMP_STATS_AT and _ZERO_STATS."""
    process = begin(place, "parts", program="requests")
    process.communicate(timeout=30)
    files = profiles(place)
    check(len(files) == 3, f"{files}")
    triggers = [header(f, "desc: Trigger:") for f in files]
    check(triggers == ["Client Request", "Client Request: second part", "Program termination"], f"{triggers}")
    check([header(f, "part:") for f in files] == ["1", "2", "3"], "numbers of parts")
    costs = [Profile(f).cost["work"] for f in files]
    step = costs[1] - costs[0]
    check(step > 0 and costs[2] == costs[1] + 2 * step, f"work(100), work(200), work(400) cost {costs}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (parts_of_a_blocked_program, zero_begins_anew, dump_storm_with_threads,
                                          dump_and_zero_storm, vctl_commands, other_tools_refuse,
                                          requested_by_the_program)}, __doc__)
