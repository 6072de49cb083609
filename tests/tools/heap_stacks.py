#!/usr/bin/python3
"""Frames in the heap tools' stacks that are no function of their own: inlined ones, and Cython's Python source."""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

PYTHON = "/usr/bin/python3"
RECORD = re.compile(r"([\d,]+)(?: \([^)]*\))? bytes in ([\d,]+) blocks are [a-z ]+ in [^\n]*\n"
                    r"((?:   (?:at|by) [^\n]*\n)+)")


def result(place, tool, pattern, *command, options=()):
    status, output, errors = place.run(["-q", f"--tool={tool}", *options, *command], timeout=60)
    check(status == 0, f"status {status}: {output}{errors}")
    (path,) = glob.glob(os.path.join(place.log, "*", pattern))
    with open(path, encoding="utf-8") as f:
        return f.read()


def leak_records(place, *command):
    """Stacks as lists of "function (file:line)" by bytes and blocks."""
    log = result(place, "leaks", "log.txt", *command, options=["--show-leak-kinds=all", "--num-callers=20"])
    return {(int(size.replace(",", "")), int(blocks.replace(",", ""))):
            [re.sub(r"^   .. 0x[0-9A-F]+: ", "", line) for line in stack.splitlines()]
            for size, blocks, stack in RECORD.findall(re.sub(r"(?m)^==\d+== ?", "", log))}


INLINED = {48: ["take() (heap_inlined.cpp:16)", "middle() (heap_inlined.cpp:21)", "outer() (heap_inlined.cpp:34)",
                "main (heap_inlined.cpp:39)"],
           777: ["plain() (heap_inlined.cpp:25)", "outer() (heap_inlined.cpp:35)", "main (heap_inlined.cpp:39)"]}


def bare(frame):
    """Without namespaces, parameters and templates, which debug information may leave out."""
    name, place = frame.rsplit(" (", 1)
    return re.sub(r"<.*>", "", name.split("(")[0]).split("::")[-1] + " (" + place


def inlined(place):
    program = os.path.join(place.programs, "heap_inlined")
    records = leak_records(place, program)
    for size, frames in INLINED.items():
        stack = records.get((size, 1))
        check(stack and [bare(frame) for frame in stack[1:]] == [bare(frame) for frame in frames], f"{size}: {stack}")
    for tool, pattern in (("massif", "massif.out.*"), ("dhat", "dhat.out.*")):
        text = result(place, tool, pattern, program,
                      options=["--threshold=0", "--detailed-freq=1"] if tool == "massif" else [])
        for frame in (frame for frames in INLINED.values() for frame in frames):
            name, source = bare(frame)[:-1].split(" (")
            check(re.search(rf"\b{name}\b[^\n]* \({re.escape(source)}\)", text), f"{tool}: no {name} ({source})")


APP = """\
import os, shapes
holder = shapes.Holder(5000)
items = holder.grow(20)
def python():
    return [bytes(2000) for _ in range(10)]
called = shapes.call(python)
made = list(shapes.numbers(30))
shapes.lose(777)
os._exit(0)
"""
# Sizes with the heads of bytes objects.
CYTHON = {(5000, 1): ["shapes.pyx:4", "shapes.pyx:14", "shapes.pyx:13", "<module> (app.py:2)"],
          (20 * 1033, 20): ["shapes.pyx:19", "shapes.pyx:16", "<module> (app.py:3)"],
          (10 * 2033, 10): ["python.<locals>.<listcomp> (app.py:5)", "python (app.py:5)", "shapes.pyx:26",
                            "shapes.pyx:25", "<module> (app.py:6)"],
          (30 * 3033, 30): ["shapes.pyx:30", "<module> (app.py:7)"],
          (777, 1): ["shapes.pyx:4", "shapes.pyx:23", "shapes.pyx:22", "<module> (app.py:8)"],
          (4039, 1): ["shapes.pyx:32", "<module> (app.py:1)"]}


def cython(place):
    """The .pyx file's lines: as the compiler was told them, and from the comments in the C code."""
    include = subprocess.run([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
                             capture_output=True, text=True, check=True).stdout.strip()
    compiler = next((path for path in ("/usr/bin/cython3", "/usr/bin/cython") if os.path.exists(path)), None)
    if not compiler or not os.path.exists(os.path.join(include, "Python.h")):
        print("skipped: cython3 or python3-dev is not installed")
        return
    app = os.path.join(place.folder, "app.py")
    with open(app, "w", encoding="utf-8") as f:
        f.write(APP)
    for options in ([], ["--line-directives"]):
        folder = os.path.join(place.folder, "directives" if options else "comments")
        os.mkdir(folder)
        subprocess.run([compiler, "-3", *options, "-o", "shapes.c", os.path.join(HERE, "shapes.pyx")], cwd=folder,
                       check=True, capture_output=True)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-g", "-w", f"-I{include}", "shapes.c", "-o", "shapes.so"],
                       cwd=folder, check=True)
        place.env.update(PYTHONPATH=folder, PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
        records = leak_records(place, PYTHON, app)
        for key, frames in CYTHON.items():
            stack = records.get(key)
            at = iter(stack or [])
            check(stack and all(any(frame in line for line in at) for frame in frames), f"{options} {key}: {stack}")
            check(not any(re.search(r"__pyx_(p[fw]|f|gb)_.*shapes\.c:", line) for line in stack),
                  f"lines of C: {stack}")


session.main({"inlined": inlined, "cython": cython}, __doc__)
