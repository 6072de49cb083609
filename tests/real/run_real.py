#!/usr/bin/python3
"""Runs a real program natively, under vsup with its children, and once more with a toggle every 20 ms, and compares
output and exit status. `run_real.py --list` prints the names; a missing program makes a skipped test (77).
"""
import argparse
import glob
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import control  # noqa: E402
import procs  # noqa: E402
from programs import PROGRAMS  # noqa: E402

SKIPPED = 77
MODES = ("native", "vsup", "toggle")


def missing(program):
    for need in program.needs:
        found = glob.glob(need) if need.startswith("/") else shutil.which(need)
        if not found:
            return need
    return None


class Runner:
    def __init__(self, args, program):
        self.args, self.program = args, program
        self.folder = tempfile.mkdtemp(prefix="vsup-real-")
        self.work = os.path.join(self.folder, "work")  # the same path in every mode: it may appear in the output
        self.native_seconds = 0.0

    def command(self, mode):
        if self.program.script.endswith(".py"):
            inner = ["/usr/bin/python3", os.path.join(HERE, "scripts", self.program.script)]
        else:
            inner = ["/bin/bash", "-eu", "-o", "pipefail", os.path.join(HERE, "scripts", self.program.script)]
        if self.program.arguments:
            inner += self.program.arguments
        if mode == "native":
            return inner
        log = os.path.join(self.folder, "log-" + mode)
        options = ["-q", "--tool=none", "--trace-children=yes", f"--log-dir={log}"]
        return [self.args.vsup] + options + self.args.option + inner

    def run(self, mode):
        """(status, output) of one run; the run's end is waited for, and nothing is left behind."""
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        runtime = os.path.join(self.folder, "run")
        os.makedirs(runtime, mode=0o700, exist_ok=True)
        env = dict(os.environ, XDG_RUNTIME_DIR=runtime, LC_ALL="C.UTF-8", HOME=self.work, TMPDIR=self.work,
                   SCRIPTS=os.path.join(HERE, "scripts"), PYTHONDONTWRITEBYTECODE="1",
                   PATH="/usr/local/bin:/usr/bin:/bin:/usr/games:/usr/sbin:/sbin")
        output_path = os.path.join(self.folder, "output-" + mode)
        error_path = os.path.join(self.folder, "errors-" + mode)
        timeout = self.program.timeout * (1 if mode == "native" else 3)
        started = time.monotonic()
        with open(output_path, "wb") as output, open(error_path, "wb") as errors:
            process = subprocess.Popen(self.command(mode), stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                       env=env, cwd=self.work, start_new_session=True)
        toggler = control.Toggler(runtime, 0.02) if mode == "toggle" else None
        if toggler:
            toggler.start()
        try:
            status = procs.wait(process, timeout)
        except subprocess.TimeoutExpired:
            print(procs.describe_tree())
            procs.end_descendants()
            self.fail(mode, f"no end after {timeout:g} s")
        finally:
            if toggler:
                toggler.stop()
        seconds = time.monotonic() - started
        procs.end_descendants()
        with open(output_path, "rb") as f:
            text = f.read().decode("utf-8", "replace")
        for pattern, replacement in self.program.normalise:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        if mode == "native":
            self.native_seconds = seconds
        print(f"{mode}: status {status}, {seconds:.2f} s" +
              (f" ({seconds / self.native_seconds:.1f}x)" if mode != "native" and self.native_seconds else "") +
              (f", {toggler.done} toggles" if toggler else ""))
        sys.stdout.flush()
        return status, text

    def fail(self, mode, reason):
        print(f"FAILED ({mode}): {reason}")
        print("  " + " ".join(shlex.quote(c) for c in self.command(mode)))
        for name in ("errors-" + mode,):
            text = procs.read(os.path.join(self.folder, name)).strip()
            if text:
                print(f"--- {name} (last 30 lines)\n" + "\n".join(text.splitlines()[-30:]))
        for path in sorted(glob.glob(os.path.join(self.folder, "log-" + mode, "*", "log.txt"))):
            text = procs.read(path)
            if re.search(r"crash|broken|cannot|signal|killed", text, re.IGNORECASE):
                print(f"--- {path} (last 15 lines)\n" + "\n".join(text.splitlines()[-15:]))
        print(f"folder: {self.folder}")
        print(f"repeat: {sys.executable} {os.path.abspath(__file__)} --vsup={self.args.vsup} {self.program.name}")
        sys.exit(1)

    def compare(self):
        native = self.run("native")
        if native[0] != self.program.status:
            self.fail("native", f"status {native[0]}, expected {self.program.status}")
        if not native[1].strip():
            self.fail("native", "no output to compare")
        for mode in self.args.mode or MODES[1:]:
            status, text = self.run(mode)
            if text != native[1]:
                want, got = native[1].splitlines(), text.splitlines()
                at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
                print(f"first difference in line {at + 1}: native {want[at:at + 1]}, here {got[at:at + 1]}")
                self.fail(mode, f"the output differs (status {status})")
            if status != native[0]:
                self.fail(mode, f"status {status}, natively {native[0]}")
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--vsup", default="vsup")
    parser.add_argument("--mode", action="append", choices=MODES[1:])
    parser.add_argument("--option", action="append", default=[], help="a further option for vsup")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if args.list:
        for program in PROGRAMS:
            print(program.name, program.label, program.timeout * 8)
        return 0
    procs.become_subreaper()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    args.vsup = os.path.abspath(args.vsup) if os.path.exists(args.vsup) else args.vsup
    skipped = 0
    for program in PROGRAMS:
        if program.name not in args.names and args.names:
            continue
        print(f"--- {program.name}")
        lack = missing(program)
        if lack:
            print(f"skipped: {lack} is not installed")
            skipped += 1
            continue
        Runner(args, program).compare()
    return SKIPPED if skipped and len(args.names) == 1 else 0


if __name__ == "__main__":
    sys.exit(main())
