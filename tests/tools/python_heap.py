#!/usr/bin/python3
"""Python's small objects under massif: what is counted by pymalloc's blocks is what malloc gets when Python is told to
use it; arenas; the same while hooks come and go.
"""
import glob
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import control  # noqa: E402
import session  # noqa: E402
from session import check, wait_until  # noqa: E402

APP = os.path.join(HERE, "python_heap_app.py")
CODES = os.path.join(HERE, "python_heap_codes.py")
PYTHON = "/usr/bin/python3"
EXACT = ["--threshold=0.001", "--detailed-freq=100000"]
NODE = re.compile(r"^( *)n\d+: (\d+) (?:0x[0-9A-F]+: )?(\S+) \(.*python_heap_app\.py:(\d+)\)$")


def line_of(text):
    """Number of the first line of the program that contains a text."""
    with open(APP, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if text in line:
                return number
    raise session.Failure(text)


def places_of(path):
    """Bytes at the peak, by function and line of the program that the blocks were made for."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("heap_tree=peak\n", 1)[1].split("#-----------\n", 1)[0].splitlines()
    places, above = {}, -1
    for line in lines:
        match = NODE.match(line)
        depth = len(line) - len(line.lstrip(" "))
        if depth <= above:
            above = -1  # out of the innermost frame of the program on this branch
        if match and above == -1:
            above = depth
            key = (match.group(3), int(match.group(4)))
            places[key] = places.get(key, 0) + int(match.group(2))
    return places


def massif(place, options, **environment):
    place.env.update(environment, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
    status, output, errors = place.run(["--tool=massif", *options, PYTHON, APP])
    check(status == 0 and output == "8404608 1023\n", f"status {status}: {output}{errors}")
    files = glob.glob(os.path.join(place.log, "*", "massif.out.*"))
    check(len(files) == 1, f"files: {files}")
    return files[0]


def tracked_as_by_malloc(place):
    """Every block once, of its own size, at its own place."""
    tracked = places_of(massif(place, [*EXACT, "--python-stacks=only"]))
    by_malloc = places_of(massif(place, [*EXACT, "--python-stacks=only", "--python-malloc=ignore"],
                                 PYTHONMALLOC="malloc"))
    # What importing takes depends on how large the interpreter's tables are by then; small places may be left out.
    for places in (tracked, by_malloc):
        for key in [key for key, size in places.items() if key[0] == "<module>" or size < 200]:
            del places[key]
    check(tracked == by_malloc, f"differ: {set(tracked.items()) ^ set(by_malloc.items())}")
    # sys.getsizeof(bytes(100)) is 133.
    bytes_place = ("hold_bytes", line_of("kept[i] = bytes(100)"))
    check(tracked.get(bytes_place) == 10000 * 133, f"{bytes_place}: {tracked}")
    for name, text in (("hold_texts.<locals>.<listcomp>", "text number"),
                       ("hold_sorted.<locals>.<lambda>", "return sorted("),
                       ("hold_generated.<locals>.generate", "yield [i, i]"), ("Node.__init__", "self.left = ")):
        check((name, line_of(text)) in tracked, f"{name} is missing: {tracked}")


def with_native_frames(place):
    """The same blocks when the interpreter's own frames are shown in between, and none of Python's on request."""
    path = massif(place, ["--depth=60", "--threshold=0.01", "--detailed-freq=100000"])
    check(places_of(path).get(("hold_bytes", line_of("kept[i] = bytes(100)"))) == 1330000, str(places_of(path)))
    with open(path, encoding="utf-8") as f:
        text = f.read()
    # The key function is called by list.sort, which is called by the function that sorts.
    line = line_of("return sorted(")
    pattern = (rf"<lambda> \([^\n]*:{line}\)\n(?: *n\d+: [^\n]*\(in [^\n]*\n)+"
               rf" *n\d+: [^\n]*hold_sorted \([^\n]*:{line}\)")
    check(re.search(pattern, text), "no native frames between a key function and its caller")
    check("<module> (" in text, "no <module>")
    with open(massif(place, ["--python-stacks=no"]), encoding="utf-8") as f:
        check("python_heap_app.py:" not in f.read(), "Python frames though they were not wanted")


def arenas(place):
    """Arenas as blocks: a multiple of their size where the program makes pymalloc take one."""
    raw = places_of(massif(place, [*EXACT, "--python-stacks=only", "--python-malloc=raw"]))
    ignored = places_of(massif(place, [*EXACT, "--python-stacks=only", "--python-malloc=ignore"]))
    bytes_place = ("hold_bytes", line_of("kept[i] = bytes(100)"))
    check(bytes_place not in ignored, f"{ignored}")
    check(raw.get(bytes_place, 0) >= 1 << 20 and raw[bytes_place] % (1 << 18) == 0, f"{raw}")


def dead_code(place):
    """Functions whose code objects follow each other at the same addresses keep their own names, files and lines."""
    for option in ("track", "ignore"):
        status, output, errors = place.run(["--tool=massif", "--python-stacks=only", f"--python-malloc={option}",
                                            "--threshold=0", "--peak-inaccuracy=0", PYTHON, CODES])
        check(status == 0 and output == "400 True\n", f"status {status}: {output}{errors}")
        path, = glob.glob(os.path.join(place.log, "*", "massif.out.*"))
        with open(path, encoding="utf-8") as f:
            peak = f.read().split("heap_tree=peak\n", 1)[1].split("#-----------\n", 1)[0]
        # bytes(n) takes n + 33 bytes, a block of its own.
        found = re.findall(r"n\d+: (\d+) 0x[0-9A-F]+: (made_\d+) \((/made/\d\.py):(\d+)\)", peak)
        expected = {(str(100033 + i), f"made_{i}", f"/made/{i % 3}.py", str(i % 50 + 2)) for i in range(400)}
        check(len(found) == 400 and set(found) == expected,
              f"{option}: {len(found)} functions, {sorted(set(found) ^ expected)[:6]}")


def working(place, options):
    process = place.start(["--tool=massif", *options, PYTHON, APP, "work"], stdin=subprocess.PIPE)
    check(process.stdout.readline() == "working\n", "it does not start")
    return process


def finish(process):
    output, errors = process.communicate("\n", timeout=60)
    check(process.returncode == 0 and output == "worked True\n", f"status {process.returncode}: {output}{errors}")


def toggled(place):
    """Hooks in pointers come and go while tracemalloc does the same."""
    process = working(place, [])
    toggler = control.Toggler(place.env["XDG_RUNTIME_DIR"], 0.01)
    toggler.start()
    time.sleep(2)
    toggler.stopping.set()
    toggler.join()
    check(toggler.done > 10, f"{toggler.done} toggles: {toggler.problem}")
    finish(process)


def detached(place):
    """The program goes on without the agent, whatever it has put in front of the hooks."""
    for _ in range(4):
        process = working(place, [])
        time.sleep(0.2)
        with_control = place.control()
        with_control.request("detach")
        with_control.close()
        time.sleep(0.2)
        finish(process)


def attached(place):
    """In the middle of a run: blocks from then on are seen with their Python stacks."""
    target = place.start_native([PYTHON, APP, "work"], stdin=subprocess.PIPE)
    check(target.stdout.readline() == "working\n", "it does not start")
    vsup = place.start(["--tool=massif", "--threshold=0", f"--attach={target.pid}"])
    place.control()
    time.sleep(1)
    finish(target)
    _, errors = vsup.communicate(timeout=30)
    files = wait_until(lambda: glob.glob(os.path.join(place.log, "*", "massif.out.*")), 5, "a profile")
    with open(files[0], encoding="utf-8") as f:
        text = f.read()
    check("Node.__init__ (" in text, f"no Python stacks: {errors}")


session.main({name: test for name, test in list(globals().items())
              if name in ("tracked_as_by_malloc", "with_native_frames", "arenas", "dead_code", "toggled", "detached",
                          "attached")},
             __doc__)
