#!/usr/bin/python3
"""What a library keeps is not lost when the C library closes it as it frees its own at the end. Memcheck says that it
is: that is how the test knows that it was closed."""
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402


def report(place, *options):
    status, _, errors = place.run(["--tool=leaks", "--leak-check=full", "--show-leak-kinds=all", *options,
                                   os.path.join(place.programs, "leaks_libraries")])
    check(status == 0, f"status {status}: {errors}")
    with open(glob.glob(os.path.join(place.log, "*", "log.txt"))[0], encoding="utf-8") as f:
        return f.read()


def kept(place):
    theirs = subprocess.run(["valgrind", "--leak-check=full", os.path.join(place.programs, "leaks_libraries")],
                            capture_output=True, text=True, timeout=120, check=False).stderr
    check("definitely lost: 123 bytes in 1 blocks" in theirs, f"the library stays open: {theirs}")
    for options in ([], ["--run-libc-freeres=no"]):
        log = report(place, *options)
        check("definitely lost: 0 bytes in 0 blocks" in log, log)
        check(re.search(r"123 bytes in 1 blocks are still reachable in .*\n.*malloc.*\n"
                        r".*: keep_inside \(inner.c:7\)\n.*: keep \(outer.c:4\)\n.*: main \(leaks_libraries.c:14\)",
                        log), log)


def listed(place):
    """What a program loads while it runs natively is in process.json, with its build id."""
    report(place)
    with open(glob.glob(os.path.join(place.log, "*", "process.json"))[0], encoding="utf-8") as f:
        modules = {os.path.basename(module["path"]): module for module in json.load(f)["modules"]}
    for name in ("leaks_libraries", "libleaks_outer.so", "libleaks_inner.so", "libc.so.6"):
        check(name in modules and modules[name]["build_id"], f"{name} in {sorted(modules)}")


def cleaned_up(place):
    """The C library has freed its own all the same."""
    with_clean_up, without = (int(re.search(r"in use at exit: ([\d,]+) bytes", report(place, option)).group(1)
                                  .replace(",", ""))
                              for option in ("--run-libc-freeres=yes", "--run-libc-freeres=no"))
    check(123 <= with_clean_up < without, f"{with_clean_up} and {without} bytes in use")


def static(place):
    """Of a static program only its own blocks are lost: the C library in it keeps pointers where nothing is written
    any more."""
    status, _, errors = place.run(["--tool=leaks", "--leak-check=full", "--show-leak-kinds=all",
                                   os.path.join(place.programs, "leaks_static")])
    check(status == 0, f"status {status}: {errors}")
    with open(glob.glob(os.path.join(place.log, "*", "log.txt"))[0], encoding="utf-8") as f:
        log = f.read()
    check("definitely lost: 50 bytes in 1 blocks" in log and "possibly lost: 40 bytes in 1 blocks" in log and
          "indirectly lost: 0 bytes in 0 blocks" in log, log)
    check(re.search(r"30 bytes in 1 blocks are still reachable in .*\n.*malloc.*\n.*: make \(leaks_static.c:8\)\n"
                    r".*: main \(leaks_static.c:12\)", log), log)


def reloaded(place):
    """Libraries that come and go, and other C libraries beside the program's own, are followed; at the end the
    program's own one alone is asked to free what it keeps."""
    status, output, errors = place.run(["--tool=leaks", "--leak-check=full",
                                        os.path.join(place.programs, "leaks_reloaded"),
                                        os.path.join(place.programs, "libleaks_allocating.so")])
    check(status == 0 and output == "done\n", f"status {status}: {output}{errors}")
    with open(glob.glob(os.path.join(place.log, "*", "log.txt"))[0], encoding="utf-8") as f:
        log = f.read()
    check("are not seen" not in log, log)
    sizes = re.findall(r"([\d,]+) bytes in (\d+) blocks are definitely lost", log)
    total = sum(int(size.replace(",", "")) for size, _ in sizes)
    check(total == 1000 + 6 * 2000 and sum(int(blocks) for _, blocks in sizes) == 7, log)


session.main({"kept": kept, "listed": listed, "cleaned_up": cleaned_up, "static": static, "reloaded": reloaded},
             __doc__)
