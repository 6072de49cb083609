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


# What Firefox Profiler takes apart (src/profile-logic/import/dhat.ts): address, function, file, line, column.
FRAME = re.compile(r"^0x([0-9a-f]+): (.+) \((?:in )?(.+?)(?::(\d+))?(?::(\d+))?\)$", re.I)


def is_count(value):
    """A number that JavaScript holds exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def firefox_profiler(place):
    """Every member that its importer reads is there and of the kind that it takes it for."""
    script = os.path.join(place.folder, "frames of python.py")
    with open(script, "w", encoding="utf-8") as f:
        f.write("def keep(n):\n    return bytes(n)\nkept = [keep(1000) for _ in range(9)]\n")
    for command, wanted in (([os.path.join(place.programs, "heap_c")], ("make", "heap_c.c", None)),
                            ([os.path.join(place.programs, "heap_cpp")], ("insert", "heap_cpp.cpp", None)),
                            (["/usr/bin/python3", script], ("keep", script, "2"))):
        _, data = run(place, *command)
        check(data["dhatFileVersion"] == 2 and data["mode"] == "heap" and data["verb"] == "Allocated", f"{data}"[:300])
        check(data["bklt"] is True and data["bkacc"] is False, "lifetimes are measured, accesses are not")
        for name in ("pid", "te", "tg", "tuth"):
            check(is_count(data[name]), f"{name}: {data[name]}")
        for name in ("tu", "Mtu", "cmd"):
            check(isinstance(data[name], str) and data[name], f"{name}: {data[name]}")
        check(data["ftbl"][0] == "[root]" and len(set(data["ftbl"])) == len(data["ftbl"]), "the frames' table")
        for point in data["pps"]:
            for name in ("tb", "tbk", "tl", "mb", "mbk", "gb", "gbk", "eb", "ebk"):
                check(is_count(point[name]), f"{name}: {point[name]}")
            check(not {"rb", "wb", "acc"} & set(point), f"what was not measured: {point}")
            check(point["fs"] and all(0 < frame < len(data["ftbl"]) for frame in point["fs"]), f"frames: {point}")
            check(point["eb"] <= point["mb"] <= point["tb"] and point["gb"] <= point["mb"], f"bytes: {point}")
        frames = [FRAME.match(text) for text in data["ftbl"][1:]]
        odd = [text for text, frame in zip(data["ftbl"][1:], frames) if not frame]
        check(not odd, f"no frames to the importer: {odd[:5]}")
        name, file, line = wanted
        check(any(f.group(2).split("(")[0] == name and f.group(3) == file and line in (None, f.group(4))
                  for f in frames), f"{wanted} is not among {data['ftbl'][:20]}")


def collapsed_readers(place):
    """speedscope, Firefox Profiler and flamegraph.pl split lines at the last blank and paths at semicolons: a folder
    with both, and a line break, in its name splits nothing."""
    folder = os.path.join(place.folder, "a; b\nc")
    os.mkdir(folder)
    script = os.path.join(folder, "app 12")
    with open(script, "w", encoding="utf-8") as f:
        f.write("def keep(n):\n    return bytes(n)\nkept = [keep(100000) for _ in range(9)]\n")
    path, data = run(place, "/usr/bin/python3", "-S", script, options=["--collapsed=yes"])
    for word, key in (("live", "eb"), ("peak", "gb"), ("total", "tb")):
        (stacks,) = glob.glob(os.path.join(os.path.dirname(path), f"heap.{word}.*.collapsed"))
        with open(stacks, encoding="utf-8") as f:
            text = f.read()
        lines = text.split("\n")
        check(lines.pop() == "", "the last line has no end")
        parsed = [re.match(r"^(.*) (\d+)$", line) for line in lines]  # src/import/bg-flamegraph.ts of speedscope
        check(all(parsed) and not re.search("[\0-\x09\x0b-\x1f]", text), "lines that are no stacks")
        paths = [match.group(1).split(";") for match in parsed]
        check(len({tuple(names) for names in paths}) == len(paths), "a stack twice")
        check(all(name and name == name.strip() for names in paths for name in names), "a frame without a name")
        total = sum(int(match.group(2)) for match in parsed)
        check(total == sum(point[key] for point in data["pps"]), f"{word}: {total}")
        if word == "total":
            kept = [names for names in paths if "keep (" in names[-1] or any(n.startswith("keep (") for n in names)]
            check(kept and all("a: b?c/app 12:2)" in "".join(names) for names in kept), f"{kept[:3]}")


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
    order = [next((i for i, name in enumerate(names) if name.startswith("0x0: " + start)), -1)
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
    session.main({f.__name__: f for f in (against_valgrind, threads_and_lives, killed, dh_view, firefox_profiler,
                                               collapsed_readers, python)}, __doc__)
