#!/usr/bin/python3
"""Programs with other allocators than glibc's preloaded: jemalloc, tcmalloc and mimalloc. What the program itself
allocates and loses is the same as with glibc's.
"""
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
sys.path.insert(0, HERE)
import leaks  # noqa: E402
import session  # noqa: E402
from session import check  # noqa: E402

# Debian's libjemalloc2, libtcmalloc-minimal4 and libmimalloc2.0.
LIBRARIES = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "mimalloc": "libmimalloc.so.2"}
LEAKING = ["lost", "list", "cycle", "interior", "tree", "containers", "thrown", "duplicates"]


def library(name):
    """None if it is not installed."""
    return next(iter(glob.glob(f"/usr/lib/x86_64-linux-gnu/{LIBRARIES[name]}")), None)


def run(place, arguments, program, preloaded):
    """Output of a run, and the directory of its results."""
    command = ["/usr/bin/env", f"LD_PRELOAD={preloaded}"] if preloaded else []
    path = os.path.join(place.programs, program)
    status, output, errors = place.run(["-q", "--trace-children=yes", *arguments, *command, path])
    check(status == 0, f"{program}: status {status}: {errors}")
    folders = glob.glob(os.path.join(place.log, f"*.{1 if preloaded else 0}-{os.path.basename(program)}"))
    check(len(folders) == 1, f"{folders}")
    return output, folders[0]


def sites(place, program, preloaded):
    """What the program's own places allocate: bytes and blocks in all, at the end, by stack without addresses."""
    output, folder = run(place, ["--tool=dhat", "--num-callers=30"], program, preloaded)
    with open(glob.glob(os.path.join(folder, "dhat.out.*"))[0], encoding="utf-8") as f:
        profile = json.load(f)
    found = {}
    for point in profile["pps"]:
        frames = [profile["ftbl"][index].split(": ", 1)[1] for index in point["fs"]]
        own = tuple(frame for frame in frames if f"({os.path.basename(program)}." in frame)
        if own:
            sums = found.get(own, (0, 0, 0, 0))
            found[own] = tuple(a + b for a, b in zip(sums, (point["tb"], point["tbk"], point["eb"], point["ebk"])))
    return output, found


def allocations(place, preloaded):
    for program in ("heap_c", "heap_cpp"):
        expected, found = sites(place, program, None)[1], sites(place, program, preloaded)[1]
        check(expected == found, f"{program}: {set(expected.items()) ^ set(found.items())}")


def threads(place, preloaded):
    """Each block once: the sums are what the program says."""
    output, found = sites(place, "heap_hammer", preloaded)
    made, made_bytes, left, left_bytes = (int(word) for word in output.split())
    by_threads = [sums for stack, sums in found.items() if any("hammer (" in frame for frame in stack)]
    sums = [sum(column) for column in zip(*by_threads)]
    check(sums == [made_bytes, made, left_bytes, left],
          f"the program says {output.strip()}, found are {sums}")


def own_records(place, program, preloaded):
    _, folder = run(place, ["--tool=leaks", "--show-leak-kinds=all"], os.path.join("leaks", program), preloaded)
    with open(os.path.join(folder, "log.txt"), encoding="utf-8") as f:
        report = leaks.Report(f.read())
    records = []
    for kind, total, direct, indirect, blocks, _, stack in report.records:
        own = [(name, at) for name, at in stack if at and at.startswith(program + ".c")]
        if own:
            records.append((kind, total, direct, indirect, blocks, own))
    return sorted(records)


def lost(place, preloaded):
    for program in LEAKING:
        expected, found = own_records(place, program, None), own_records(place, program, preloaded)
        check(expected and expected == found, f"{program}: {expected} and {found}")


def of(name, test):
    def run_test(place):
        path = library(name) if name != "glibc" else None
        if path is None and name != "glibc":
            print(f"skipped: {LIBRARIES[name]} is not installed")
            return
        test(place, path)
    return run_test


session.main({"glibc_threads": of("glibc", threads),
              **{f"{name}_{test.__name__}": of(name, test)
                 for name in LIBRARIES for test in (allocations, threads, lost)}}, __doc__)
