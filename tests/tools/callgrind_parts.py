#!/usr/bin/python3
"""Parts of callgrind's profiles, at the end of functions, threads and processes, by thread and combined in one file:
where Valgrind makes them, named and numbered alike, with the same costs of the program's own functions."""
import collections
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

OWN = ("work", "ends", "outer", "thread", "locks", "calls", "sleeps")


class Part:
    """One part of a file, as its lines say."""

    def __init__(self):
        self.head = {}
        self.cost = collections.defaultdict(list)  # by function, a number for each event
        self.inclusive = collections.defaultdict(list)  # of calls, by (caller, callee), likewise
        self.calls = collections.Counter()
        self.events = []

    def key(self):
        return tuple(self.head.get(name) for name in ("part", "thread", "Trigger"))

    def own(self):
        return {name: tuple(self.cost[name]) for name in OWN if any(self.cost[name])}

    @staticmethod
    def add(row, values):
        row.extend([0] * (len(values) - len(row)))
        for i, value in enumerate(values):
            row[i] += value


def parts_in(path):
    """The parts of a callgrind.out file."""
    parts, names, function, callee, pending = [], {}, None, None, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith(("pid:", "part:")) and (not parts or parts[-1].events):
                parts.append(Part())
            name = re.match(r"(c?fn)=(?:\((\d+)\))? ?(.*)", line)
            header = re.match(r"(?:desc: )?(\w+): *(.*)", line)
            if name:
                if name[2] and name[3]:
                    names[name[2]] = name[3]
                text = re.sub(r"'\d+$", "", name[3] or names[name[2]])
                function, callee = (text, callee) if name[1] == "fn" else (function, text)
            elif line.startswith("calls="):
                pending = int(line[6:].split()[0])
            elif re.match(r"[+*\-0-9]", line):
                positions = len(parts[-1].head["positions"].split())
                values = [int(value) for value in line.split()[positions:]]
                if pending is None:
                    Part.add(parts[-1].cost[function], values)
                else:
                    parts[-1].calls[function, callee] += pending
                    Part.add(parts[-1].inclusive[function, callee], values)
                pending = None
            elif header and parts:
                parts[-1].head[header[1]] = header[2]
                if header[1] == "events":
                    parts[-1].events = header[2].split()
    return parts


def check_sums(part):
    """Self costs of a part are its totals."""
    total = []
    for values in part.cost.values():
        Part.add(total, values)
    said = [int(value) for value in part.head["totals"].split()]
    width = max(len(total), len(said))
    padded = [row + [0] * (width - len(row)) for row in (total, said)]
    check(padded[0] == padded[1], f"{part.key()}: rows {total}, totals {said}")


def by_name(paths, base):
    """Parts by the file's name behind `base` and the process's number."""
    found = {}
    for path in paths:
        name = re.sub(r"^\d+", "", os.path.basename(path)[len(base):])
        if os.path.getsize(path) != 0:  # Valgrind leaves an empty one beside those of threads
            found.setdefault(name, []).append(parts_in(path))
    return found


def both(place, kind, options):
    """By file name, lists of the parts: ours, and Valgrind's (none when it is not there)."""
    program = os.path.join(place.programs, "parts")
    place.run(["-q", "--tool=callgrind", "--trace-children=yes", *options, program, kind], timeout=60)
    ours = by_name(glob.glob(os.path.join(place.log, "*", "callgrind.out.*")), "callgrind.out.")
    for files in ours.values():
        for parts in files:
            for part in parts:
                check_sums(part)
    if not shutil.which("valgrind"):
        return ours, None
    for old in glob.glob(os.path.join(place.folder, "valgrind.*")):
        os.remove(old)
    subprocess.run(["valgrind", "-q", "--tool=callgrind", "--separate-recs=1", "--trace-children=yes",
                    f"--callgrind-out-file={place.folder}/valgrind.%p", *options, program, kind],
                   timeout=60, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return ours, by_name(glob.glob(os.path.join(place.folder, "valgrind.*")), "valgrind.")


def compare(place, kind, options):
    ours, theirs = both(place, kind, options)
    if theirs is None:
        print("skipped: valgrind is not installed")
        return ours
    where = f"{kind} {' '.join(options)}"
    check(sorted(ours) == sorted(theirs), f"{where}: files {sorted(ours)}, Valgrind {sorted(theirs)}")
    mine, other = (sorted(((part.key(), part.own()) for files in found.values() for parts in files for part in parts),
                          key=repr) for found in (ours, theirs))
    check([row[0] for row in mine] == [row[0] for row in other],
          f"{where}: parts {[row[0] for row in mine]}, Valgrind {[row[0] for row in other]}")
    for one_of_ours, one_of_theirs in zip(mine, other):
        check(one_of_ours[1] == one_of_theirs[1], f"{where}: {one_of_ours}, Valgrind {one_of_theirs}")
    return ours


def left_by_the_end(place):
    """--dump-after of functions that the end of the process or of a thread leaves: one part, as in Valgrind."""
    for kind in ("exit", "_exit", "abort", "thread"):
        compare(place, kind, ["--dump-after=ends"])
    compare(place, "exit", ["--dump-after=ends", "--dump-after=outer", "--dump-before=work"])
    # The function in which a thread makes its last system call is left when the process ends.
    ours = compare(place, "thread", ["--dump-after=start_thread"])
    check(len(ours) == 2, f"{ours.keys()}")


def parts_of_threads(place):
    """With --separate-threads=yes a part that a thread asks for is its own; the last one has them all."""
    for options in (["--dump-before=ends"], ["--dump-after=ends"], ["--zero-before=ends", "--dump-after=work"],
                    ["--dump-after=work", "--toggle-collect=ends"]):
        compare(place, "one-thread", ["--separate-threads=yes", *options])
        compare(place, "thread", options)
    compare(place, "requests", ["--separate-threads=yes"])


def combined(place):
    """--combine-dumps=yes: all parts in one file, which is laid out as Valgrind's."""
    for kind, options in (("requests", []), ("exit", ["--dump-after=ends"]), ("requests", ["--dump-instr=yes"])):
        ours = compare(place, kind, ["--combine-dumps=yes", *options])
        check(list(ours) == [""], f"{ours.keys()}")
    compare(place, "one-thread", ["--combine-dumps=yes", "--separate-threads=yes", "--dump-after=ends"])
    both(place, "requests", ["--combine-dumps=yes"])
    layout = []
    for path in (glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))[0],
                 *glob.glob(os.path.join(place.folder, "valgrind.*"))):
        with open(path, encoding="utf-8") as lines:
            layout.append([found[1] for found in (re.match(r"(#|\w+: *(?:\w+:)?)", line) for line in lines)
                           if found and "cache" not in found[1] and not found[1].startswith("desc: I")
                           and not found[1].startswith("desc: D") and not found[1].startswith("desc: LL")])
    layout = [[re.sub(r" +", " ", word.strip()) for word in words if not word.startswith("desc: ") or
               word.endswith(("Timerange:", "Trigger:"))] for words in layout]
    check(all(words == layout[0] for words in layout), f"{layout}")
    if shutil.which("callgrind_annotate"):
        path = glob.glob(os.path.join(place.log, "*", "callgrind.out.*"))[0]
        text = subprocess.run(["callgrind_annotate", path], capture_output=True, text=True, timeout=60)
        check(text.returncode == 0 and "PROGRAM TOTALS" in text.stdout, f"{text.stdout[:300]} {text.stderr[:300]}")


def in_children(place):
    """A fork's child has parts of its own, which begin with its first instruction."""
    for options in (["--dump-after=outer"], ["--dump-after=ends", "--combine-dumps=yes"]):
        ours, theirs = both(place, "fork", options)
        for parts in ours.values():
            check(len(parts) == 2, f"{options}: two processes have {parts}")
        if theirs is None:
            return
        keys = [sorted(part.key() for files in found.values() for parts in files for part in parts)
                for found in (ours, theirs)]
        check(keys[0] == keys[1], f"{options}: {keys}")
        # Valgrind's child goes on with its parent's counts.
        work = sorted(sum(part.cost["work"][0] for parts in files for part in parts if part.cost["work"])
                      for files in zip(*ours.values()) for parts in [[p for file in files for p in file]]
                      for files in [[parts]])
        check(len(work) == 2 and work[0] < work[1], f"{options}: work in child and parent: {work}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (left_by_the_end, parts_of_threads, combined, in_children)}, __doc__)
