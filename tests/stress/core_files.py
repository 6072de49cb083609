#!/usr/bin/python3
"""A core file of a process with several threads shows each of them in the app's own code, with its registers, whichever
thread dies and of what, in the code cache and under toggles. Skipped where no core file is to be had or no gdb is."""
import argparse
import glob
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import control  # noqa: E402
from session import Failure, Place, check  # noqa: E402

SKIPPED = 77
ARENA = range(0x2700_0000_0000, 0x2722_0000_0000)
COMPUTING = {"rbx": 0x1111222233334444, "r12": 0x5555666677778888, "r15": 0x99990000aaaabbbb}
GDB = ["set width 0", "thread apply all -q printf \"thread %#lx gs %#lx rbx %#lx r12 %#lx r15 %#lx\\n\", "
       "$pc, $gs_base, $rbx, $r12, $r15", "thread apply all -q bt"]


def allow_core():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def why_not(place):
    """Why no core file can be looked at here, or None."""
    if not shutil.which("gdb"):
        return "gdb is not installed"
    process = subprocess.run(["/bin/sh", "-c", "kill -QUIT $$"], cwd=place.folder, preexec_fn=allow_core)
    cores = glob.glob(os.path.join(place.folder, "core*"))
    for core in cores:
        os.unlink(core)
    return None if process.returncode == -signal.SIGQUIT and cores else "the system writes no core file there"


def look_at_core(folder, program):
    cores = glob.glob(os.path.join(folder, "core*"))
    check(len(cores) == 1, f"one core file, found {cores}")
    command = ["gdb", "-batch", "-nx"]
    for line in GDB:
        command += ["-ex", line]
    text = subprocess.run(command + [program, cores[0]], capture_output=True, text=True, timeout=60).stdout
    os.unlink(cores[0])
    threads = [dict(zip(("pc", "gs", "rbx", "r12", "r15"), (int(word, 16) for word in found)))
               for found in re.findall(r"thread (\S+) gs (\S+) rbx (\S+) r12 (\S+) r15 (\S+)", text)]
    check(len(threads) == 4, f"four threads in the core file:\n{text}")
    for thread in threads:
        check(thread["pc"] not in ARENA, f"pc {thread['pc']:#x} is not the app's:\n{text}")
        check(thread["gs"] == 0, f"GS base {thread['gs']:#x} is not the app's:\n{text}")
    for frame in ("computes_in_app", "calls_in_app", "blocks_in_app", "main"):
        check(re.search(rf"^#\d+ .*\b{frame}\b", text, re.M), f"no frame of {frame}:\n{text}")
    computing = [t for t in threads if all(t[name] == value for name, value in COMPUTING.items())]
    check(len(computing) == 1, f"the computing thread has its registers:\n{text}")


def case(place, program, how, number, options=(), toggling=False):
    process = place.start(["-q", *options, program, how], cwd=place.folder, preexec_fn=allow_core)
    toggler = control.Toggler(place.env["XDG_RUNTIME_DIR"], 0.003) if toggling else None
    if toggler:
        toggler.start()
    check(process.stdout.readline() == "ready\n", "the program says that it is ready")
    if how == "wait":
        time.sleep(0.05)
        os.kill(next(iter(place.process_records().values()))["pid"], number)
    _, errors = process.communicate(timeout=30)
    if toggler:
        toggler.stop()
    check(process.returncode == -number, f"{how}: status {process.returncode}, expected {-number}: {errors}")
    look_at_core(place.folder, program)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--vctl", required=True)
    parser.add_argument("--programs", required=True)
    args = parser.parse_args()
    program = os.path.abspath(os.path.join(args.programs, "core_threads"))
    with Place(os.path.abspath(args.vsup), os.path.abspath(args.vctl)) as place:
        reason = why_not(place)
        if reason:
            print("skipped:", reason)
            return SKIPPED
        case(place, program, "abort", signal.SIGABRT)
        case(place, program, "fault", signal.SIGSEGV)
        case(place, program, "thread", signal.SIGSEGV)
        case(place, program, "wait", signal.SIGQUIT)
        case(place, program, "wait", signal.SIGFPE, ["--link=no", "--max-block-instructions=1"])
        case(place, program, "abort", signal.SIGABRT, ["--tool=callgrind"])
        for how, number in (("abort", signal.SIGABRT), ("thread", signal.SIGSEGV), ("fault", signal.SIGSEGV)):
            case(place, program, how, number, toggling=True)
    print("passed")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print("FAILED:", failure)
        sys.exit(1)
