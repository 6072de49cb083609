#!/usr/bin/python3
"""Client requests of programs built with Valgrind's headers: what they print and answer, and instrumentation that they
switch themselves, from native code and from the code cache. Compared with Valgrind's own where it is installed."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import Profile, one, run  # noqa: E402
from session import check  # noqa: E402


def client_lines(text):
    """What the program printed by requests, with the stack lines after it; numbers that differ between runs removed."""
    lines = []
    for line in text.splitlines():
        if re.match(r"\*\*\d+\*\* ", line) or re.match(r"==\d+==    (at|by) 0x", line):
            line = re.sub(r"^(==|\*\*)\d+(==|\*\*)", r"\1N\2", line)
            lines.append(re.sub(r" 0x[0-9A-F]+:", " 0x:", line))
    return lines


def log_of(place):
    with open(glob.glob(os.path.join(place.log, "*", "log.txt"))[0], encoding="utf-8") as log:
        return log.read()


def answers(place):
    """Requests print and answer the same from the cache, from native code, in every tool, and under Valgrind."""
    program = os.path.join(place.programs, "requests")
    modes = {"callgrind": ["--tool=callgrind"], "cachegrind": ["--tool=cachegrind"], "none": ["--tool=none"],
             "native": ["--tool=callgrind", "--instr-atstart=no"],
             "single": ["--tool=callgrind", "--max-block-instructions=1", "--verify-fragments=yes"]}
    expected = None
    if shutil.which("valgrind"):
        result = subprocess.run(["valgrind", "--tool=none", program, "answers"], capture_output=True, text=True,
                                timeout=60)
        expected = [line for line in result.stdout.splitlines()], client_lines(result.stderr)
        check(len(expected[1]) == 8, f"{result.stderr}")
    for name, options in modes.items():
        status, output, errors = place.run(["-q"] + options + [program, "answers"])
        check(status == 0, f"{name}: {status} {errors}")
        found = output.splitlines(), client_lines(log_of(place))
        expected = expected or found
        check(found == expected, f"{name}:\n{found}\nand not\n{expected}")
        check("running 1" in found[0] and "calls 0 1 21 321" in found[0], f"{name}: {output}")
        check("**N** half a line, the other half" in found[1] and "**N** no end of line" in found[1], f"{found[1]}")
    status, output, _ = place.run(["-q", "--tool=none", "--instr-atstart=no", program, "answers"])
    check("running 0" in output, f"none, off: native means native: {output}")


def cost_of_work(place, *arguments, options=()):
    status, files = run(place, "requests", *arguments, options=options)
    check(status == 0, f"{arguments}: {status}")
    return Profile(one(files)).cost["work"]


def switched_by_the_program(place):
    """START and STOP count what lies between them, from native code as well."""
    off = cost_of_work(place, "start-stop", options=["--instr-atstart=no"])
    on = cost_of_work(place, "start-stop")
    check(off > 0 and on == off // 5 * 6 and off % 5 == 0, f"5 times {off}, 6 times {on}")
    check(cost_of_work(place, "in-handler", options=["--instr-atstart=no"]) == off, "in a signal handler")
    plugin = os.path.join(place.programs, "requests_plugin.so")
    check(cost_of_work(place, "plugin", plugin, options=["--instr-atstart=no"]) * 5 == off, "in a module loaded late")
    _, files = run(place, "requests", "after-fork", options=["--instr-atstart=no"])
    costs = [Profile(f).cost["work"] for f in files.values()]
    check(sorted(costs)[-1] == off and sum(costs) == off, f"in a child: {costs}, not {off}")
    run(place, "requests", "in-thread", options=["--instr-atstart=no"])
    record = next(iter(place.process_records().values()))
    check([t["on"] for t in record["toggles"]] == [True, False] * 5, f"{record['toggles']}")


def native_code_is_put_back(place):
    """An attached program has no breakpoint left when it is let go of, and runs on."""
    path = os.path.join(place.programs, "requests")
    process = place.start_native([path, "wait"], stdin=subprocess.PIPE)
    check(process.stdout.readline() == "ready\n", "not ready")
    vsup = place.start(["-q", "--tool=callgrind", "--instr-atstart=no", f"--attach={process.pid}"])
    control = place.control()
    control.request("list")
    session.wait_until(lambda: breakpoints(process.pid, path) == SEQUENCES, 10, "breakpoints in native code")
    control.toggle(True)
    check(breakpoints(process.pid, path) == 0, "breakpoints while instrumented")
    control.toggle(False)
    check(breakpoints(process.pid, path) == SEQUENCES, "no breakpoints after the switch off")
    control.request("detach")
    vsup.wait(timeout=20)
    check(breakpoints(process.pid, path) == 0, "breakpoints are left after the detach")
    output, _ = process.communicate("go\n", timeout=20)
    check(process.returncode == 0 and "wait done" in output, f"{process.returncode}: {output}")


SEQUENCE = bytes.fromhex("48c1c70348c1c70d48c1c73d48c1c733")
SEQUENCES = None  # in the program's file


def breakpoints(pid, path):
    """How many request sequences of the program end in an int3."""
    count = total = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or fields[-1] != path:
                continue
            start, end = (int(word, 16) for word in fields[0].split("-"))
            memory.seek(start)
            text = memory.read(end - start)
            for match in re.finditer(re.escape(SEQUENCE), text):
                total += 1
                count += text[match.end()] == 0xcc
    global SEQUENCES
    SEQUENCES = total
    return count


if __name__ == "__main__":
    session.main({f.__name__: f for f in (answers, switched_by_the_program, native_code_is_put_back)}, __doc__)
