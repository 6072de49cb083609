#!/usr/bin/python3
"""DHAT's files: every place's totals compared with valgrind --tool=dhat, what threads allocate, how long blocks live,
Python's frames, and what dh_view.html and the report page make of it."""
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import browser  # noqa: E402
import session  # noqa: E402
from session import check  # noqa: E402

# tl and the times count other units; Valgrind 3.19 updates mb and mbk now and then only; accesses are not measured.
COMPARED = ("tb", "tbk", "gb", "gbk", "eb", "ebk")
VIEWER = next((path for path in glob.glob("/usr/lib*/valgrind/dh_view.html")), None)


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def run(place, *command, options=()):
    """The only process's file, and what is in it."""
    status, _, errors = place.run(["-q", "--tool=dhat", *options, *command], timeout=60)
    check(status == 0, f"status {status}: {errors}")
    place.check_complete()
    files = glob.glob(os.path.join(place.log, "*", "dhat.out.*"))
    check(len(files) == 1, f"files: {files}")
    return files[0], load(files[0])


def places(data, source):
    """What each stack of the source's own lines allocated: Counter of (lines, counts)."""
    found = collections.Counter()
    for point in data["pps"]:
        lines = tuple(line for frame in point["fs"]
                      for line in re.findall(r"\(" + re.escape(source) + r":(\d+)\)$", data["ftbl"][frame]))
        if lines:
            found[lines, tuple(point[name] for name in COMPARED)] += 1
    return found


def against_valgrind(place):
    if not shutil.which("valgrind"):
        print("there is no valgrind to compare with")
        return
    for program, source in (("heap_c", "heap_c.c"), ("heap_aligned", "heap_aligned.c")):
        path = os.path.join(place.programs, program)
        reference = os.path.join(place.folder, program)
        subprocess.run(["valgrind", "--tool=dhat", f"--dhat-out-file={reference}", "--num-callers=60",
                        "--run-libc-freeres=no", "--run-cxx-freeres=no", path], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60)
        _, data = run(place, path, options=["--num-callers=60"])
        wanted, got = places(load(reference), source), places(data, source)
        check(wanted, f"valgrind saw nothing of {program}")
        check(wanted == got, f"{program}: only valgrind: {list((wanted - got).items())[:5]}, "
                             f"only vsup: {list((got - wanted).items())[:5]}")


def of_function(data, function):
    return [point for point in data["pps"] if f": {function} (" in data["ftbl"][point["fs"][0]]]


def threads_and_lives(place):
    _, data = run(place, os.path.join(place.programs, "heap_lives"))
    hammered = of_function(data, "hammer")
    sums = [sum(point[name] for point in hammered) for name in ("tbk", "tb", "eb", "ebk")]
    check(sums == [80000, 4 * sum(16 + i % 100 for i in range(20000)), 0, 0], f"of the threads: {sums}")
    held = of_function(data, "hold")
    check(sum(point["tbk"] for point in held) == 3, f"held: {held}")
    check(sum(point["tl"] for point in held) >= 3 * 100_000, f"three blocks lived a tenth of a second each: {held}")
    check(sum(point["gb"] for point in held) == 300_000, f"held at the peak: {held}")
    kept = of_function(data, "keep")
    check([(point["eb"], point["ebk"]) for point in kept] == [(50, 1)], f"kept: {kept}")
    check(kept[0]["tl"] >= 100_000, f"a block that was not freed lives to the end: {kept}")
    check(0 < data["tg"] <= data["te"], f"times: {data['tg']} {data['te']}")
    check(data["bkacc"] is False and "rb" not in kept[0], "accesses are said to be measured")


def killed(place):
    """The file is whole when the program is killed."""
    process = place.start(["-q", "--tool=dhat", "/usr/bin/python3", "-c",
                           "import time\nkept = bytearray(12345678)\nprint('ready', flush=True)\ntime.sleep(60)"])
    check(process.stdout.readline() == "ready\n", "the program does not run")
    control = place.control()
    control.request("kill")
    control.close()
    process.communicate(timeout=30)
    check(process.returncode == -9, f"ended with {process.returncode}")
    (path,) = glob.glob(os.path.join(place.log, "*", "dhat.out.*"))
    data = load(path)
    check(sum(point["eb"] for point in data["pps"]) > 12_345_678, "what was live is missing")


def dh_view(place):
    """Valgrind's own viewer takes the file."""
    program = browser.find_browser()
    if not program or not VIEWER:
        print("there is no Chromium or no dh_view.html")
        return
    path, data = run(place, os.path.join(place.programs, "heap_c"))
    chromium = browser.Browser(program, os.path.join(place.folder, "profile"))
    try:
        chromium.open("file://" + os.path.realpath(VIEWER))
        document = chromium.call("DOM.getDocument")["root"]["nodeId"]
        node = chromium.call("DOM.querySelector", nodeId=document, selector="input[type=file]")["nodeId"]
        chromium.call("DOM.setFileInputFiles", nodeId=node, files=[path])
        text = session.wait_until(lambda: chromium.evaluate(
            "document.querySelector('pre') && document.body.innerText"), 30, "dh_view.html shows the tree")
        check(not chromium.complaints(), f"complaints: {chromium.complaints()}")
    finally:
        chromium.close()
    total = sum(point["tb"] for point in data["pps"])
    check(f"Total: {total:,} bytes" in re.sub(" +", " ", text), f"the viewer does not show {total:,}: {text[:800]}")
    check("make (heap_c.c:" in text and "At t-gmax" in text, text[:800])
    check("heap_c" in text and "Command: " in text, text[:400])


def python(place):
    """Python functions stand in the stacks, of the file and of the page's flame graphs."""
    script = os.path.join(place.folder, "app.py")
    with open(script, "w", encoding="utf-8") as f:
        f.write("def inner(n):\n    return bytearray(n)\ndef outer():\n    return [inner(100000) for _ in range(20)]\n"
                "kept = outer()\n")
    path, data = run(place, "/usr/bin/python3", "-S", "-E", script, options=["--collapsed=yes"])
    mine = [point for point in data["pps"] if any("app.py:2)" in data["ftbl"][frame] for frame in point["fs"])]
    check(sum(point["tbk"] for point in mine) >= 20, f"blocks of inner: {mine}")
    point = max(mine, key=lambda point: point["tb"])
    names = [data["ftbl"][frame] for frame in point["fs"]]
    order = [next((i for i, name in enumerate(names) if name.startswith(start)), -1)
             for start in (f"inner ({script}:2)", "outer", f"<module> ({script}:5)")]
    check(-1 < order[0] < order[1] < order[2], f"Python frames: {names}")
    folder = os.path.dirname(path)
    totals = {}
    for word in ("live", "peak", "total"):
        (stacks,) = glob.glob(os.path.join(folder, f"heap.{word}.*.collapsed"))
        with open(stacks, encoding="utf-8") as f:
            totals[word] = sum(int(line.rsplit(" ", 1)[1]) for line in f)
    wanted = {word: sum(point[key] for point in data["pps"]) for word, key in
              (("live", "eb"), ("peak", "gb"), ("total", "tb"))}
    check(totals == wanted, f"stacks sum to {totals}, the file to {wanted}")
    status, output, errors = place.ctl("report", place.log)
    check(status == 0, errors)
    program = browser.find_browser()
    if not program:
        return
    chromium = browser.Browser(program, os.path.join(place.folder, "profile"))
    try:
        chromium.open("file://" + output.strip())
        check(not chromium.complaints(), f"complaints: {chromium.complaints()}")
        tabs, total, names, blue = [chromium.evaluate(text) for text in (
            "[...document.querySelectorAll('#views button')].map(b => b.textContent)", "flame.cost[0]",
            "flame.boxes.filter(b => b.index >= 0).map(b => flame.title(b.index))",
            "flame.boxes.filter(b => python.has(flame.name[b.index])).map(b => flame.title(b.index))")]
    finally:
        chromium.close()
    check(tabs == ["Live bytes", "Peak bytes", "Total bytes"], f"tabs: {tabs}")
    check(total == wanted["peak"], f"the peak's graph is {total} wide, not {wanted['peak']}")
    check(f"inner ({script}:2)" in blue, f"Python frames: {blue}")
    check("PyEval_EvalCode" in names, f"native frames: {names[:40]}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (against_valgrind, threads_and_lives, killed, dh_view, python)}, __doc__)
