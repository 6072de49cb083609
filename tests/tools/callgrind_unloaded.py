#!/usr/bin/python3
"""Libraries that were unloaded, and others in their place: each function has its name and its own counts."""
import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import Profile  # noqa: E402
from session import check  # noqa: E402

SOURCE = """
__attribute__((noinline)) static long NAME_leaf(int n) {
  volatile long sum = 0;
  for (int i = 0; i < n; ++i) sum += i;
  return sum;
}
__attribute__((noinline)) long NAME_work(long (*leaf)(int)) { return leaf(TIMES) + leaf(TIMES); }
void measured(void) { NAME_work(NAME_leaf); }
"""
TIMES = {"alpha": 10, "gamma": 1000, "omega": 77}
MODES = ([], ["--dump-instr=yes"], ["--collect-jumps=yes"], ["--max-block-instructions=1"], ["--flush-every=30"],
         ["--collapsed=yes"])


def modules(place):
    """Of the same size, so that one takes the place of the other."""
    paths = {}
    for name, times in TIMES.items():
        source = os.path.join(place.folder, name + ".c")
        with open(source, "w", encoding="utf-8") as text:
            text.write(SOURCE.replace("NAME", name).replace("TIMES", str(times)))
        paths[name] = os.path.join(place.folder, name + ".so")
        subprocess.run(["cc", "-O1", "-g", "-shared", "-fPIC", "-o", paths[name], source], check=True)
    return paths


def ours(name):
    return name.startswith(tuple(TIMES)) and not name.endswith("@plt")


def costs(files):
    """Self cost by function, and calls with their inclusive cost, of the modules' functions in each file."""
    result = []
    for path in sorted(files):
        profile = Profile(path)
        result.append(({name: cost for name, cost in profile.cost.items() if ours(str(name))},
                       {edge: numbers for edge, numbers in profile.calls.items() if ours(str(edge[1]))}))
    return result


def run(place, *arguments, options=(), tool="callgrind"):
    status, output, errors = place.run(["-q", f"--tool={tool}", *options, os.path.join(place.programs, "unloaded"),
                                        *arguments], timeout=60)
    check(status == 0, f"{arguments}: {status} {errors}")
    return output.split(), glob.glob(os.path.join(place.log, "*", f"{tool}.out.*[0-9]"))


def names_stay(place):
    """Whatever took the place of a library, also in a fork of the program, and whatever tells costs apart."""
    path = modules(place)
    a, g, o = path["alpha"], path["gamma"], path["omega"]
    _, files = run(place, a, g, o)
    check(len(files) == 2, f"{files}")
    once = costs(files)[0][0]
    check(all(once[f"{name}_{part}"] > 0 for name in TIMES for part in ("leaf", "work")), f"{once}")
    orders = [[a, "-"], [a, "-", g, "-"], [a, "-", g, "-", a, "-", o, "-"], [g, "-", a, "-", g],
              [a, g, "-", o, "-", g, "-"]]
    for options in MODES:
        for order in orders[:3] if options else orders:
            addresses, files = run(place, *order, options=options)
            again = "-" in order[:-1]
            check(not again or len(set(addresses)) < len(addresses), f"no place is used again: {addresses}")
            check(len(files) == 2, f"{files}")
            for self_cost, calls in costs(files):
                for name in TIMES:
                    times = order.count(path[name])
                    for part in ("leaf", "work"):
                        found = sum(cost for key, cost in self_cost.items() if key.split("'")[0] == f"{name}_{part}")
                        check(found == times * once[f"{name}_{part}"],
                              f"{options} {order}: {name}_{part} {found}, not {times} times {once[f'{name}_{part}']}")
                    edge = calls.get((f"{name}_work", f"{name}_leaf"), [0, 0])
                    check(edge == [2 * times, times * once[f"{name}_leaf"]], f"{options} {order}: {edge}")
            if options == ["--collapsed=yes"]:
                for file in files:
                    with open(file + ".collapsed", encoding="utf-8") as text:
                        stacks = text.read()
                    for name in TIMES:
                        stack = f";measured;{name}_work;{name}_leaf "
                        check((stack in stacks) == (path[name] in order), f"{order}: {stack} {stacks}")


def as_valgrind(place):
    """The same functions and costs as Valgrind has, and cachegrind's the same as callgrind's."""
    path = modules(place)
    order = [path["alpha"], "-", path["gamma"], "-", path["alpha"], "-", path["omega"]]
    _, files = run(place, *order)
    found = costs(files)
    _, lines = run(place, *order, tool="cachegrind")
    for file, (self_cost, _) in zip(sorted(lines), found):
        check({name: cost for name, cost in Profile(file).cost.items() if ours(str(name))} == self_cost, f"{file}")
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return
    subprocess.run(["valgrind", "-q", "--tool=callgrind", "--separate-recs=1",
                    f"--callgrind-out-file={place.folder}/valgrind.%p", os.path.join(place.programs, "unloaded"),
                    *order], check=True, timeout=60, stdout=subprocess.DEVNULL)
    theirs = costs(glob.glob(os.path.join(place.folder, "valgrind.*")))
    # Of the parent: a child of Valgrind's begins with the parent's counts, here with none.
    check(theirs[0] == found[0], f"{found[0]}\nValgrind {theirs[0]}")


def after_the_first_thread(place):
    """A process whose first thread has ended loads and unloads: names, and functions that options name, are found."""
    path = modules(place)
    order = ["thread", path["alpha"], path["gamma"], "-"]
    _, files = run(place, *order)
    once = costs(files)[0][0]
    check(set(once) == {f"{name}_{part}" for name in ("alpha", "gamma") for part in ("leaf", "work")}, f"{once}")
    _, files = run(place, *order, options=["--toggle-collect=alpha_work"])
    profile = Profile(files[0])
    check(profile.cost["alpha_leaf"] == once["alpha_leaf"] and profile.cost["gamma_leaf"] == 0, f"{profile.cost}")
    _, files = run(place, *order, options=["--dump-before=gamma_work"])
    with open(sorted(files)[-1], encoding="utf-8") as part:
        check("desc: Trigger: --dump-before=gamma_work" in part.read(), f"{files}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (names_stay, after_the_first_thread, as_valgrind)}, __doc__)
