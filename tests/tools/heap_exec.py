#!/usr/bin/python3
"""What the heap tools say of a program that executes another: its records go with its memory, but not unread."""
import glob
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def images(place, pattern):
    """Files of process images: by the image for the first process, pairs of image and text for its children."""
    first, children = {}, []
    # Not the lowest number: the kernel begins anew.
    root = next(record["pid"] for record in place.process_records().values() if record["parent"] == 0)
    for path in glob.glob(os.path.join(place.log, "*", pattern)):
        pid, image = os.path.basename(os.path.dirname(path)).split(".", 1)
        if int(pid) == root:
            first[image] = read(path)
        else:
            children.append((image, read(path)))
    return first, children


def run(place, tool, *arguments, options=()):
    status, output, errors = place.run([f"--tool={tool}", "-q", "--trace-children=yes", *options,
                                        os.path.join(place.programs, "heap_execs"), *arguments])
    stays = "stay" in arguments
    check(status == 0 and output == ("" if stays else "executed\n"), f"status {status}: {output}{errors}")


def leaks(place):
    for how in ("", "threads", "syscall", "syscallat"):
        # What was lost is no error: the same as nothing said, as under Memcheck.
        run(place, "leaks", how, options=["--error-exitcode=9", "--leak-check=full"])
        first, children = images(place, "log.txt")
        log = first["0-heap_execs"]
        check(log.count("HEAP SUMMARY:") == 1, f"reports: {log}")
        check("definitely lost: 444 bytes in 2 blocks" in log, log)
        check(re.search(r"by 0x[0-9A-F]+: lose \(heap_execs.c:\d+\)", log), log)
        check(any("definitely lost: 499 bytes in 3 blocks" in log for _, log in children), str(children))
        logs = [log for image, log in children if image == "1-true"]
        check([log.count("HEAP SUMMARY:") for log in logs] == [1, 1], str(logs))


def leaks_after_failure(place):
    """Only attempts: the report is that of the end, once, and counts."""
    status, _, errors = place.run(["--tool=leaks", "-q", "--error-exitcode=9",
                                   os.path.join(place.programs, "heap_execs"), "stay"])
    check(status == 9, f"status {status}: {errors}")
    log = images(place, "log.txt")[0]["0-heap_execs"]
    check(log.count("HEAP SUMMARY:") == 1 and "definitely lost: 444 bytes in 2 blocks" in log, log)


def massif(place):
    for how in ("", "threads", "stay", "syscall", "syscallat"):
        run(place, "massif", how, options=["--threshold=0", "--detailed-freq=1"])
        first, children = images(place, "massif.out.*")
        text = first["0-heap_execs"]
        peak = max(int(size) for size in re.findall(r"^mem_heap_B=(\d+)$", text, re.M))
        check(2222 + 111 + 333 <= peak < 5000, f"peak {peak}: {text[:2000]}")
        check("lose (heap_execs.c:" in text, text[:2000])
        check([image for image, _ in children].count("1-true") == 2, f"{children}")
        if how != "stay":
            check(len(first) == 2, f"{list(first)}")


def dhat(place):
    run(place, "dhat")
    first, _ = images(place, "dhat.out.*")
    points = json.loads(first["0-heap_execs"])["pps"]
    sizes = sorted(point["tb"] for point in points)
    check(sizes == [111, 333, 2222], f"{sizes}")


session.main({name: test for name, test in list(globals().items())
              if name in ("leaks", "leaks_after_failure", "massif", "dhat")}, __doc__)
