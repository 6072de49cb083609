#!/usr/bin/python3
"""Attach to and detach from running programs: nothing of ours is left behind, and the program computes right then."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import procs  # noqa: E402
import session  # noqa: E402
from session import check, wait_until  # noqa: E402


def target(place, kind):
    process = place.start_native([os.path.join(place.programs, "target"), kind], stdin=subprocess.PIPE)
    check(process.stdout.readline() == "ready\n", "the target did not start")
    time.sleep(0.1)
    return process


def shape(pid):
    """Mappings (address, permissions, name; the heap's and stacks' sizes vary by themselves) and descriptors."""
    maps = set()
    for line in procs.read(f"/proc/{pid}/maps").splitlines():
        fields = line.split(None, 5)
        name = fields[5] if len(fields) > 5 else ""
        if name.startswith("/") or name in ("[vdso]", "[vvar]"):
            maps.add((fields[0], fields[1], name))
    fds = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    return maps, fds


def code_bytes(pid):
    """Contents of the file-backed executable mappings that are not writable."""
    contents = {}
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in procs.read(f"/proc/{pid}/maps").splitlines():
            fields = line.split(None, 5)
            if len(fields) > 5 and fields[5].startswith("/") and fields[1].startswith("r-x"):
                start, end = (int(x, 16) for x in fields[0].split("-"))
                memory.seek(start)
                contents[fields[0]] = memory.read(end - start)
    return contents


def tracers(pid):
    found = set()
    for tid in os.listdir(f"/proc/{pid}/task"):
        match = re.search(r"TracerPid:\s*(\d+)", procs.read(f"/proc/{pid}/task/{tid}/status"))
        found.add(int(match.group(1)) if match else -1)
    return found


def finish(process, before):
    """The victim is unharmed: same mappings, descriptors and code, no tracer; it computes and prints."""
    pid = process.pid
    after = shape(pid)
    check(after[1] == before[0][1], f"descriptors changed: {before[0][1]} -> {after[1]}")
    check(after[0] == before[0][0], f"mappings changed: {sorted(before[0][0] ^ after[0])}")
    check(not procs.arena_lines(pid), f"left in the arena: {procs.arena_lines(pid)}")
    check(code_bytes(pid) == before[1], "code bytes changed")
    check(tracers(pid) == {0}, f"tracers: {tracers(pid)}")
    states = {procs.stat_fields(f"{pid}/task/{tid}")[0] for tid in os.listdir(f"/proc/{pid}/task")}
    check(not states & {"t", "T"}, f"threads are stopped: {states}")
    output, _ = process.communicate("go on\n", timeout=20)
    check(process.returncode == 0 and output == "unharmed 6765\n",
          f"status {session.name_of(process.returncode)}, output {output!r}")


def attach(place, process, *options):
    vsup = place.start(["--tool=none", *options, f"--attach={process.pid}"])
    wait_until(lambda: procs.arena_lines(process.pid) and tracers(process.pid) == {vsup.pid}, 15,
               "all threads are attached to and the agent is there")
    return vsup


def attach_and_interrupt(place, kind):
    process = target(place, kind)
    before = shape(process.pid), code_bytes(process.pid)
    vsup = attach(place, process)
    time.sleep(0.5)
    check(process.poll() is None, "the target has ended")
    os.kill(vsup.pid, signal.SIGINT)
    _, errors = vsup.communicate(timeout=20)
    check(vsup.returncode == 0, f"vsup ends with {session.name_of(vsup.returncode)}: {errors}")
    finish(process, before)
    records = place.process_records()
    check(any(record["state"] == "detached" for record in records.values()), f"records: {list(records)}")


def busy_interrupt(place):
    attach_and_interrupt(place, "busy")


def blocked_interrupt(place):
    attach_and_interrupt(place, "blocked")


def attach_and_vctl(place, kind):
    process = target(place, kind)
    before = shape(process.pid), code_bytes(process.pid)
    vsup = attach(place, process)
    time.sleep(0.3)
    status, output, errors = place.ctl("detach")
    check(status == 0, f"vctl detach: {status} {output} {errors}")
    vsup.communicate(timeout=20)
    finish(process, before)


def busy_vctl(place):
    attach_and_vctl(place, "busy")


def blocked_vctl(place):
    attach_and_vctl(place, "blocked")


def leader_ended(place):
    """A process whose first thread has ended, and whose /proc/PID says nothing: attached to, shown, toggled, let go."""
    for kind in ("busy", "blocked"):
        process = place.start_native([os.path.join(place.programs, "target"), kind, "leaderless"],
                                     stdin=subprocess.PIPE)
        check(process.stdout.readline() == "ready\n", "the target did not start")
        wait_until(lambda: procs.stat_fields(process.pid)[0] == "Z", 10, "the first thread has ended")
        vsup = place.start(["-q", f"--attach={process.pid}"])
        place.control().close()
        for arguments, wanted in ((["-l"], f"{place.programs}/target {kind} leaderless"), (["-b"], f"{kind} at "),
                                  (["-i", "off"], "4 threads"), (["-b"], f"{kind} at "), (["-i", "on"], "4 threads"),
                                  (["detach"], "1 process")):
            status, output, errors = place.ctl(*arguments)
            check(status == 0 and wanted in output, f"vctl {arguments}: {status} {output} {errors}")
        _, errors = vsup.communicate(timeout=20)
        check(vsup.returncode == 0 and errors == "", f"vsup ends with {session.name_of(vsup.returncode)}: {errors}")
        check(all(record["executable"].endswith("/target") and record["modules"]
                  for record in place.process_records().values()), f"records: {place.process_records()}")
        output, _ = process.communicate("go on\n", timeout=20)
        check(process.returncode == 0 and output == "unharmed 6765\n",
              f"status {session.name_of(process.returncode)}, output {output!r}")


def again(place):
    """Five times in a row, each time with toggles in between."""
    for kind in ("busy", "blocked"):
        process = target(place, kind)
        before = shape(process.pid), code_bytes(process.pid)
        for turn in range(5):
            vsup = attach(place, process)
            client = place.control()
            for on in (False, True, False, True)[:turn]:
                client.toggle(on)
            client.close()
            os.kill(vsup.pid, signal.SIGINT)
            vsup.communicate(timeout=20)
        finish(process, before)


def native_attach(place):
    """Attached with instrumentation off, switched on, off, and let go."""
    process = target(place, "busy")
    before = shape(process.pid), code_bytes(process.pid)
    vsup = place.start(["--tool=none", "--instr-atstart=no", f"--attach={process.pid}"])
    client = place.control()
    wait_until(lambda: tracers(process.pid) == {vsup.pid}, 10, "all threads are attached to")
    reply = client.toggle(True)
    check(reply["result"]["threads"] == 4, f"toggle moved {reply}")
    reply = client.toggle(False)
    check(reply["result"]["threads"] == 4, f"toggle moved {reply}")
    client.request("detach")
    client.close()
    vsup.communicate(timeout=20)
    finish(process, before)


def python(place):
    """A real interpreter in the middle of its work."""
    script = "import sys, re, json\nprint('ready', flush=True)\n" \
             "import threading, time\nstop = False\n" \
             "def work():\n    while not stop:\n        json.dumps({str(i): [i] * 5 for i in range(50)})\n" \
             "        re.sub('a', 'b', 'banana' * 50)\n" \
             "threads = [threading.Thread(target=work) for _ in range(2)]\n" \
             "[t.start() for t in threads]\nsys.stdin.readline()\nstop = True\n[t.join() for t in threads]\n" \
             "print('sum', sum(range(100000)))\n"
    process = place.start_native(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE)
    check(process.stdout.readline() == "ready\n", "python did not start")
    time.sleep(0.2)
    vsup = attach(place, process)
    time.sleep(1)
    os.kill(vsup.pid, signal.SIGINT)
    vsup.communicate(timeout=20)
    check(not procs.arena_lines(process.pid), "the agent is still mapped")
    output, errors = process.communicate("go on\n", timeout=20)
    check(process.returncode == 0 and output == "sum 4999950000\n", f"{process.returncode} {output!r} {errors!r}")


def transfer(place):
    """Detached from in the middle of a write to a full pipe: the write goes on, and is whole when it returns."""
    size = 1 << 20
    script = f"import os, sys\nprint('ready', file=sys.stderr, flush=True)\nsys.stdin.readline()\n" \
             f"done = os.write(1, b'x' * {size})\nprint('wrote', done, file=sys.stderr)\n"
    for hurry in (False, True):
        process = place.start_native(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE, text=False)
        check(process.stderr.readline() == b"ready\n", "python did not start")
        vsup = attach(place, process)
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        time.sleep(0.5)  # blocked in the write
        os.kill(vsup.pid, signal.SIGINT)
        time.sleep(0.5)
        check(not procs.arena_lines(process.pid), "the agent is still mapped")
        check(vsup.poll() is None, "vsup did not wait for the end of the transfer")
        if hurry:
            os.kill(vsup.pid, signal.SIGINT)
            vsup.communicate(timeout=20)
        output, errors = process.communicate(timeout=20)
        vsup.communicate(timeout=20)
        check(vsup.returncode == 0 and process.returncode == 0, f"{vsup.returncode} {process.returncode} {errors!r}")
        whole = errors == b"wrote %d\n" % size and len(output) == size
        check(whole != hurry and (errors == b"wrote %d\n" % len(output)), f"read {len(output)}, {errors!r}")


def children_later(place):
    """A shell attached to forks and executes afterwards; its children are followed and nothing is lost."""
    shell = place.start_native(["/bin/bash", "-c", "echo ready; read line; seq 1 100 | awk '{s += $1} END {print s}'; "
                                "(exit 5); echo $?"], stdin=subprocess.PIPE)
    check(shell.stdout.readline() == "ready\n", "the shell did not start")
    vsup = attach(place, shell, "--trace-children=yes")
    output, errors = shell.communicate("go\n", timeout=30)
    check(shell.returncode == 0 and output == "5050\n5\n", f"{shell.returncode} {output!r} {errors!r}")
    vsup.communicate(timeout=20)
    records = place.check_complete()
    check(len(records) >= 4, f"processes seen: {list(records)}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (busy_interrupt, blocked_interrupt, busy_vctl, blocked_vctl, leader_ended,
                                          again, native_attach, python, transfer, children_later)}, __doc__)
