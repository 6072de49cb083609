#!/usr/bin/python3
"""Client requests of programs built with Valgrind's headers: what they print and answer, and instrumentation that they
switch themselves, from native code and from the code cache. Compared with Valgrind's own where it is installed."""
import glob
import os
import re
import shutil
import subprocess
import sys
import time

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


def modules_one_after_the_other(place):
    """Whenever a module is loaded, and whatever was unloaded before, its first request is seen."""
    once = cost_of_work(place, "start-stop", options=["--instr-atstart=no"]) // 5
    copies = []
    for number in range(4):
        copies.append(os.path.join(place.folder, f"plugin{number}.so"))
        shutil.copy(os.path.join(place.programs, "requests_plugin.so"), copies[-1])
    a, b, c, d = copies
    for arguments in ([a, b, c, d], [a, "-", b, "-", c, "-", d], [a, b, "-", c, "-", a, "-", d, "-", b],
                      [a, "-"] * 20 + [b]):
        expected = once * sum(argument != "-" for argument in arguments)
        cost = cost_of_work(place, "plugins", *arguments, options=["--instr-atstart=no"])
        check(cost == expected, f"{arguments}: {cost}, not {expected}")


def modules_looked_through_before(place):
    """A module that had no requests is not read again in the next session; when it is replaced it is."""
    path = os.path.join(place.folder, "plugin.so")
    silent = os.path.join(place.folder, "silent.c")
    with open(silent, "w", encoding="utf-8") as source:
        source.write("void measured(void) {}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, silent], check=True)
    os.utime(path, (10**9, 10**9))
    time.sleep(3.1)  # what has changed less than two seconds ago is not remembered
    program = os.path.join(place.programs, "requests")
    quiet = ["-q", "--tool=callgrind", "--instr-atstart=no", program, "plugins", path]
    known = os.path.join(place.env["XDG_STATE_HOME"], "vsup", "searched-code")
    check(place.run(quiet)[0] == 0, "no requests")
    size = os.path.getsize(known)
    check(size >= 16 * 3 and size % 16 == 0, f"{size} bytes: less than program, loader, libc and plugin")
    check(place.run(quiet)[0] == 0 and os.path.getsize(known) == size, "the second session has something new")
    shutil.copy(os.path.join(place.programs, "requests_plugin.so"), path)
    os.utime(path, (10**9, 10**9))
    cost = cost_of_work(place, "plugins", path, options=["--instr-atstart=no"])
    check(cost > 0, "the module that has requests now was not looked through")
    with open(known, "wb") as damaged:
        damaged.write(os.urandom(4099))
    check(cost_of_work(place, "plugins", path, options=["--instr-atstart=no"]) == cost, "with a damaged file")


def whole_code_is_put_back(place):
    """Also what the loader calls: after switches and a detach no byte of a file's code differs from the file."""
    path, plugin = (os.path.join(place.programs, name) for name in ("requests", "requests_plugin.so"))
    process = place.start_native([path, "plugins", "wait", plugin, "wait", plugin, "-"], stdin=subprocess.PIPE)
    check(process.stdout.readline() == "ready\n", "not ready")
    vsup = place.start(["-q", "--tool=callgrind", "--instr-atstart=no", f"--attach={process.pid}"])
    control = place.control()
    session.wait_until(lambda: changed_code(process.pid), 10, "breakpoints in native code")
    process.stdin.write("go\n")
    process.stdin.flush()
    check(process.stdout.readline() == "ready\n", "not ready again")
    session.wait_until(lambda: changed_code(process.pid), 10, "breakpoints in native code")
    control.toggle(True)
    check(not changed_code(process.pid), f"while instrumented: {changed_code(process.pid)}")
    control.toggle(False)
    check(changed_code(process.pid), "no breakpoints after the switch off")
    control.request("detach")
    vsup.wait(timeout=20)
    check(not changed_code(process.pid), f"after the detach: {changed_code(process.pid)}")
    output, _ = process.communicate("go\n", timeout=20)
    check(process.returncode == 0 and "plugins done" in output, f"{process.returncode}: {output}")


def changed_code(pid):
    """Addresses at which executable mappings differ from their files."""
    changed = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or not fields[-1].startswith("/"):
                continue
            start, end = (int(word, 16) for word in fields[0].split("-"))
            memory.seek(start)
            text = memory.read(end - start)
            with open(fields[-1], "rb") as file:
                file.seek(int(fields[2], 16))
                original = file.read(end - start)
            changed += [hex(start + at) for at, byte in enumerate(original) if text[at] != byte][:10]
    return changed


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
    session.main({f.__name__: f for f in (answers, switched_by_the_program, modules_one_after_the_other,
                                          modules_looked_through_before, whole_code_is_put_back,
                                          native_code_is_put_back)}, __doc__)
