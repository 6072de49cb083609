#!/usr/bin/python3
"""Compares massif's files with those of valgrind --tool=massif: every snapshot and every tree, bytes and places.

Time is counted in bytes, so that deterministic programs give the same snapshots.
"""
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

NODE = re.compile(r"^( *)n(\d+): (\d+) (.*)$")
PLACE = re.compile(r"^0x[0-9A-F]+: (.*?)(?: \(([^()]*)\))?$")


def normal_line(line):
    """A line of a tree without what may differ."""
    match = NODE.match(line)
    if not match:
        return line
    indent, children, size, text = match.groups()
    frame = PLACE.match(text)
    if frame:
        name, place = frame.groups()
        place = place or ""
        if place.startswith("in "):
            place = "in " + os.path.basename(place)
        # Aliases in the C library and what an inlined C++ function is called differ; lines do not.
        name = re.split(r"[(<]", name)[0]
        if not place.startswith("heap_") or not re.fullmatch(r"[A-Za-z_]\w*", name):
            name = ""
        text = f"{name} {place}"
    return f"{indent}n{children}: {size} {text}"


def normal_file(path):
    """Lines from the first snapshot on; trees' children in an order of their own where bytes are equal."""
    with open(path, encoding="utf-8") as f:
        lines = [normal_line(line.rstrip("\n")) for line in f]
    check(lines[0].startswith("desc: "), f"{path}: first line {lines[0]!r}")
    check(lines[1].startswith("cmd: "), f"{path}: second line {lines[1]!r}")
    return lines[2:]


def children_sorted(lines):
    """Siblings with equal bytes are ordered by address, which depends on where modules lie: sort them by text."""
    out, position = [], 0

    def node(depth):
        nonlocal position
        head = lines[position]
        position += 1
        below = []
        while position < len(lines):
            match = NODE.match(lines[position])
            if not match or len(match.group(1)) <= depth:
                break
            below.append(node(len(match.group(1))))
        below.sort(key=lambda lines_of: (-int(NODE.match(lines_of[0]).group(3)), lines_of))
        return [head] + [line for child in below for line in child]

    while position < len(lines):
        if NODE.match(lines[position]):
            out.extend(node(0))
        else:
            out.append(lines[position])
            position += 1
    return out


def difference(expected, got):
    """The first difference with its surroundings, or None."""
    for number, (a, b) in enumerate(zip(expected, got)):
        if a != b:
            return "\n".join([f"line {number + 3}: valgrind {a!r}, vsup {b!r}", "valgrind:"] +
                             expected[max(0, number - 12):number + 8] + ["vsup:"] + got[max(0, number - 12):number + 8])
    if len(expected) != len(got):
        return f"{len(expected)} lines by valgrind, {len(got)} by vsup"
    return None


def run_both(place, program, options, reference_program=None, unit="B"):
    """The two files: Valgrind's and vsup's."""
    reference = os.path.join(place.folder, "reference")
    if os.path.exists(reference):
        os.remove(reference)
    arguments = [os.path.join(place.programs, program)]
    options = [f"--time-unit={unit}"] + list(options)
    subprocess.run(["valgrind", "--tool=massif", f"--massif-out-file={reference}",
                    "--run-libc-freeres=no", "--run-cxx-freeres=no"] + options +
                   [os.path.join(place.programs, reference_program or program)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    status, _, errors = place.run(["--tool=massif"] + options + arguments)
    check(status == 0, f"status {status}: {errors}")
    files = glob.glob(os.path.join(place.log, "*", "massif.out.*"))
    check(len(files) == 1, f"files: {files}")
    return reference, files[0]


def compare(place, program, *options):
    reference, own = run_both(place, program, options)
    found = difference(children_sorted(normal_file(reference)), children_sorted(normal_file(own)))
    check(found is None, f"{program} {' '.join(options)}: {found}")


def peak(lines):
    """The heap's bytes and the tree of the peak snapshot."""
    at = lines.index("heap_tree=peak")
    tree = []
    for line in lines[at + 1:]:
        if not NODE.match(line):
            break
        tree.append(line)
    return [lines[at - 3]] + children_sorted(tree)


def aligned(place):
    """The slack of aligned blocks depends on where they lie, so the peak alone is compared."""
    reference, own = run_both(place, "heap_aligned", ["--threshold=0"])
    found = difference(peak(normal_file(reference)), peak(normal_file(own)))
    check(found is None, found)


def c_program(place):
    compare(place, "heap_c")


def options(place):
    compare(place, "heap_c", "--max-snapshots=10", "--detailed-freq=3")
    compare(place, "heap_c", "--max-snapshots=500", "--detailed-freq=1", "--threshold=0")
    compare(place, "heap_c", "--depth=2", "--threshold=5")
    compare(place, "heap_c", "--heap-admin=0", "--peak-inaccuracy=0")
    compare(place, "heap_c", "--heap=no")
    compare(place, "heap_c", "--alloc-fn=make", "--peak-inaccuracy=20")


def many_peaks(place):
    """Which snapshots are taken and which are given up again."""
    compare(place, "heap_random")
    compare(place, "heap_random", "--peak-inaccuracy=0")
    compare(place, "heap_random", "--peak-inaccuracy=0", "--max-snapshots=20", "--detailed-freq=2")
    compare(place, "heap_random", "--peak-inaccuracy=7", "--max-snapshots=11")


def ignored_functions(place):
    """Allocations of functions that are ignored are in no sum, no tree and no time."""
    compare(place, "heap_c", "--ignore-fn=make", "--threshold=0")
    compare(place, "heap_c", "--ignore-fn=make_more", "--alloc-fn=make", "--detailed-freq=2")
    compare(place, "heap_c", "--ignore-fn=reallocs", "--ignore-fn=puts", "--peak-inaccuracy=0")
    compare(place, "heap_cpp", "--ignore-fn=main")


def ignored_and_resized(place):
    """What an ignored function has made stays ignored when others resize it, in sums and time. Valgrind's own detailed
    snapshots (the peak is one) do show it, so they are left out."""
    options = ["--ignore-fn=make_ignored", "--detailed-freq=1000"]
    sums = re.compile(r"time=(\d+)\nmem_heap_B=(\d+)\nmem_heap_extra_B=(\d+)\nmem_stacks_B=0\nheap_tree=empty")
    found = []
    for path in run_both(place, "heap_ignored", options):
        with open(path, encoding="utf-8") as f:
            found.append(sums.findall(f.read()))
    check(found[0] == found[1] and len(found[0]) == 4, f"valgrind {found[0]}, vsup {found[1]}")
    with open(run_both(place, "heap_ignored", options)[1], encoding="utf-8") as f:
        peak = re.search(r"mem_heap_B=(\d+)\n.*\n.*\nheap_tree=peak\nn2: 900 ", f.read())
    check(peak and peak.group(1) == "900", "the peak is what counts alone")


def many_changes(place):
    """Of a long log of changes what the snapshots that are left need is kept: trees are whole, the peak Valgrind's."""
    options = ["--peak-inaccuracy=0", "--threshold=0", "--max-snapshots=40"]
    reference, own = (normal_file(path) for path in run_both(place, "heap_changes", options))
    found = difference(peak(reference), peak(own))
    check(found is None, found)
    heap, trees, open_nodes = 0, 0, []
    for line in own + ["end"]:
        node = NODE.match(line)
        depth = len(node.group(1)) if node else 0
        while open_nodes and (not node or depth <= open_nodes[-1][0]):
            _, children, size, below = open_nodes.pop()
            check(children == 0 or below == size, f"a node of {size} bytes has {below} below it")
        if line.startswith("mem_heap_B="):
            heap = int(line.split("=")[1])
        if not node:
            continue
        size = int(node.group(3))
        if depth == 0:
            trees += 1
            check(size == heap, f"a tree of {size} bytes, the heap has {heap}")
        else:
            open_nodes[-1][3] += size
        open_nodes.append([depth, int(node.group(2)), size, 0])
    check(trees >= 10, f"{trees} trees")


def cpp_program(place):
    compare(place, "heap_cpp")
    compare(place, "heap_cpp", "--detailed-freq=1", "--max-snapshots=30")


def static_program(place):
    """Valgrind sees no allocation of a static program: compared is what the program itself allocates in its twin with
    a shared libc."""
    reference, own = run_both(place, "heap_static", [], "heap_c")
    found = difference(own_places(peak(normal_file(reference))), own_places(peak(normal_file(own))))
    check(found is None, found)


def own_places(lines):
    return [line for line in lines if "heap_c.c:" in line]


def last_time(path):
    with open(path, encoding="utf-8") as f:
        return [int(time) for time in re.findall(r"^time=(\d+)$", f.read(), re.M)][-1]


def instructions(place):
    """Time in instructions, from the code cache: the same peak as Valgrind's; the time is what callgrind counts, but
    for what follows the last block's end."""
    for program in ("heap_c", "heap_cpp"):
        reference, own = run_both(place, program, ["--peak-inaccuracy=0", "--threshold=0"], unit="i")
        found = difference(peak(normal_file(reference)), peak(normal_file(own)))
        check(found is None, f"{program}: {found}")
    # Not of the C++ program: by where its strings lie, memcmp executes up to 1% more in one run than in another.
    for program in ("heap_c", "heap_static"):
        command = [os.path.join(place.programs, program)]
        status, _, errors = place.run(["-q", "--tool=massif", "--time-unit=i", *command])
        check(status == 0, errors)
        time = last_time(glob.glob(os.path.join(place.log, "*", "massif.out.*"))[0])
        status, _, errors = place.run(["-q", "--tool=callgrind", *command])
        check(status == 0, errors)
        with open(glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))[0], encoding="utf-8") as f:
            total_ir = int(re.search(r"^totals: (\d+)$", f.read(), re.M)[1])
        check(total_ir * 0.95 < time <= total_ir, f"{program}: the last snapshot at {time} of {total_ir} instructions")


def pages(place):
    """What the program's own lines have mapped at the peak; the rest is the loader's, Valgrind's has more to load."""
    reference, own = run_both(place, "heap_pages", ["--pages-as-heap=yes", "--threshold=0", "--peak-inaccuracy=0"])
    theirs, ours = ([re.sub(r"^ +n\d+", "", line) for line in peak(normal_file(path)) if "(heap_pages.c:" in line or
                     " heap_pages.c:" in line] for path in (reference, own))
    check(len(theirs) >= 4 and sorted(theirs) == sorted(ours), f"valgrind {theirs}, vsup {ours}")
    with open(own, encoding="utf-8") as f:
        check("(page allocation syscalls) mmap/mremap/brk" in f.read(), "the trees' first line")
    subprocess.run(["ms_print", own], capture_output=True, check=True)


def stacks(place):
    """Stacks count at the peak, which comes where nothing is allocated; Valgrind's malloc has other frames than the
    C library's, so their bytes are nearly the same only."""
    for unit in ("i", "B", "ms"):
        reference, own = run_both(place, "heap_stacks", ["--stacks=yes", "--peak-inaccuracy=0"], unit=unit)
        sizes = []
        for path in (reference, own):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            at = text[:text.index("heap_tree=peak")].rindex("snapshot=")
            sizes.append({key: int(value) for key, value in
                          re.findall(r"^mem_(\w+)_B=(\d+)$", text[at:text.index("heap_tree=peak")], re.M)})
        theirs, ours = sizes
        check(theirs["heap"] == ours["heap"] == 20000, f"{unit}: {sizes}")
        check(theirs["stacks"] > 500 * 1000 and abs(theirs["stacks"] - ours["stacks"]) < theirs["stacks"] * 0.02,
              f"{unit}: {sizes}")
    printed = subprocess.run(["ms_print", own], capture_output=True, text=True, check=True).stdout
    check("heap allocation functions" in printed, printed[:2000])


def ms_print(place):
    """ms_print reads the file of a run by the clock, of a program with a line break in its arguments, too."""
    status, _, errors = place.run(["--tool=massif", os.path.join(place.programs, "heap_c"), "an\nargument"])
    check(status == 0, f"status {status}: {errors}")
    path = glob.glob(os.path.join(place.log, "*", "massif.out.*"))[0]
    printed = subprocess.run(["ms_print", path], capture_output=True, text=True, check=True).stdout
    check("heap allocation functions" in printed and "make (heap_c.c" in printed, printed[:2000])


def live_snapshots(place):
    """What a program holds when asked for, with stacks and without: both files are read by ms_print, and say what the
    program has allocated by then."""
    vsup = place.start(["--tool=massif", "-q", "--time-unit=B", os.path.join(place.programs, "leaks_live")],
                       stdin=subprocess.PIPE)
    check(vsup.stdout.readline() == "ready\n", "the program does not start")

    def say(letters):
        vsup.stdin.write(letters + "\n")
        vsup.stdin.flush()
        check(vsup.stdout.readline() == "done\n", "the program does not answer")

    def snapshot(*options):
        status, output, errors = place.ctl("snapshot", "--json", f"--session={place.log}", *options)
        check(status == 0, f"vctl snapshot: {errors}")
        path = os.path.join(place.log, json.loads(output)["processes"][0]["result"]["file"])
        with open(path, encoding="utf-8") as f:
            text = f.read()
        printed = subprocess.run(["ms_print", path], capture_output=True, text=True, check=True).stdout
        numbers = {key: int(value) for key, value in re.findall(r"^(time|mem_heap_B)=(\d+)$", text, re.M)}
        return numbers, text, printed

    say("ggg")
    first, text, _ = snapshot()
    check("heap_tree=empty" in text, text)
    say("gg")
    second, text, printed = snapshot("--detailed", "leaks_live")
    check(second["mem_heap_B"] - first["mem_heap_B"] == 2 * 64, f"{first}, then {second}")
    check(second["time"] - first["time"] == 2 * (64 + 8), f"{first}, then {second}")
    check(re.search(r"n\d: 320 0x[0-9A-F]+: grow \(leaks_live\.c:\d+\)", text), text)
    check("grow (leaks_live.c" in printed, printed)
    status, output, _ = place.ctl("snapshot", f"--session={place.log}")
    check(status == 0 and re.search(r"^\d+: snapshot written: .*massif\.vctl\.out\.3$", output, re.M), output)
    status, _, errors = place.ctl("snapshot", f"--session={place.log}", "nobody")
    check(status == 1 and "nobody" in errors, errors)
    vsup.stdin.close()
    check(vsup.wait(timeout=20) == 0, "the program did not end well")


def total(path):
    with open(path, encoding="utf-8") as f:
        return sum(int(line.rsplit(" ", 1)[1]) for line in f)


def collapsed(place):
    """Stacks weighted by live, peak and total bytes sum to what the snapshots and DHAT say."""
    program = os.path.join(place.programs, "heap_c")
    status, _, errors = place.run(["-q", "--tool=massif", "--collapsed=yes", "--time-unit=B", "--peak-inaccuracy=0",
                                   program])
    check(status == 0, f"status {status}: {errors}")
    folder = os.path.dirname(glob.glob(os.path.join(place.log, "*", "massif.out.*"))[0])
    sums = {word: total(glob.glob(os.path.join(folder, f"heap.{word}.*.collapsed"))[0])
            for word in ("live", "peak", "total")}
    snapshots = [[int(number) for number in re.findall(r"^(?:time|mem_heap_B)=(\d+)$", part, re.M)]
                 for part in open(glob.glob(os.path.join(folder, "massif.out.*"))[0], encoding="utf-8").read()
                 .split("snapshot=")[1:]]
    check(sums["peak"] == max(heap for _, heap in snapshots), f"peak {sums['peak']}, snapshots {snapshots}")
    status, _, errors = place.run(["-q", "--tool=dhat", program])
    check(status == 0, errors)
    with open(glob.glob(os.path.join(place.log, "*", "dhat.out.*"))[0], encoding="utf-8") as f:
        points = json.load(f)["pps"]
    for word, key in (("live", "eb"), ("peak", "gb"), ("total", "tb")):
        wanted = sum(point[key] for point in points)
        check(sums[word] == wanted, f"{word}: {sums[word]}, DHAT says {wanted}")


session.main({name: test for name, test in list(globals().items())
              if name in ("c_program", "options", "aligned", "cpp_program", "static_program", "ms_print", "pages",
                          "instructions", "stacks", "ignored_functions", "ignored_and_resized", "live_snapshots",
                          "many_changes", "many_peaks", "collapsed")}, __doc__)
