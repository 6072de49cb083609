#!/usr/bin/python3
"""Runs one victim in one mode and compares its output and end with what its header says.

Exit status: 0 passed, 1 failed, 77 skipped. A failure keeps its folder and ends with the command that repeats it.
"""
import argparse
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import control  # noqa: E402
import machine  # noqa: E402
import procs  # noqa: E402
from victim_header import MODE_OPTIONS, Header  # noqa: E402

SKIPPED = 77
TOGGLE_SECONDS = 0.005


def expected_status(header):
    """Return code in subprocess terms: negative for a signal."""
    word = header.one("EXIT", "0")
    return -getattr(signal, word) if word.startswith("SIG") else int(word)


class Run:
    def __init__(self, args):
        self.args = args
        self.header = Header(args.source)
        self.folder = os.path.join(args.work, args.mode)
        self.session = os.path.join(self.folder, "log")
        self.runtime = tempfile.mkdtemp(prefix="vsup-test-")  # short: a socket's path has 107 characters at most

    def environment(self):
        env = dict(os.environ)
        for name in list(env):
            if name.startswith("VSUP_"):
                del env[name]
        env.update(XDG_RUNTIME_DIR=self.runtime, XDG_STATE_HOME=os.path.join(self.folder, "state"), LC_ALL="C.UTF-8")
        env.pop("LD_PRELOAD", None)
        for assignment in self.header.values.get("ENV", []):
            name, _, value = assignment.partition("=")
            env[name] = value
        return env

    def command(self):
        program = [os.path.abspath(self.args.program)] + shlex.split(self.header.one("ARGS"))
        if self.args.mode == "native":
            return program
        return [self.args.vsup, "-q", f"--log-dir={self.session}"] + self.header.options() + \
            MODE_OPTIONS[self.args.mode] + self.args.option + program

    def repeat(self):
        parts = [sys.executable, os.path.abspath(__file__)] + sys.argv[1:]
        return " ".join(shlex.quote(p) for p in parts)

    def fail(self, reason):
        print(f"FAILED: {reason}")
        print("the command that was run:")
        print("  " + " ".join(shlex.quote(c) for c in self.command()))
        for name in ("stdout", "stderr"):
            text = procs.read(os.path.join(self.folder, name))
            if text:
                print(f"--- {name} (last 40 lines)")
                print("\n".join(text.splitlines()[-40:]))
        for root, _, files in sorted(os.walk(self.session)):
            for file in files:
                if file == "log.txt":
                    text = procs.read(os.path.join(root, file)).strip()
                    if text:
                        print(f"--- {os.path.join(root, file)} (last 30 lines)")
                        print("\n".join(text.splitlines()[-30:]))
        print(f"folder: {self.folder}")
        print(f"repeat: {self.repeat()}")
        sys.exit(1)

    def go(self):
        lack = machine.missing(self.header.one("NEEDS").split())
        if not os.path.exists(self.args.program):
            lack = f"{self.args.program} (its compiler is not installed)"
        if lack:
            print(f"skipped: needs {lack}")
            sys.exit(SKIPPED)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        procs.become_subreaper()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        env = self.environment()
        timeout = float(self.header.one("TIMEOUT", "20")) * self.args.timeout_factor
        stdin = subprocess.DEVNULL
        if "STDIN" in self.header.values:
            with open(os.path.join(self.folder, "stdin"), "w", encoding="utf-8") as f:
                f.write("\n".join(self.header.values["STDIN"]) + "\n")
            stdin = open(os.path.join(self.folder, "stdin"), "rb")
        started = time.monotonic()
        with open(os.path.join(self.folder, "stdout"), "wb") as out, \
                open(os.path.join(self.folder, "stderr"), "wb") as err:
            process = subprocess.Popen(self.command(), stdin=stdin, stdout=out, stderr=err, env=env, cwd=self.folder,
                                       start_new_session=True)
        toggles = control.Toggler(env["XDG_RUNTIME_DIR"], TOGGLE_SECONDS) if self.args.mode.endswith("toggle") else None
        if toggles:
            toggles.start()
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            print(f"no end after {timeout:g} s; processes:")
            print(procs.describe_tree())
            if toggles:
                toggles.stop()
                print(f"toggles answered: {toggles.done}, last problem: {toggles.problem}")
            procs.end_descendants()
            self.fail("timeout")
        seconds = time.monotonic() - started
        if toggles:
            toggles.stop()
        left = procs.end_descendants()
        with open(os.path.join(self.folder, "stdout"), "rb") as f:
            output = f.read().decode("utf-8", "replace")
        difference = self.header.mismatch(output)
        if status != expected_status(self.header):
            self.fail(f"status {status}, expected {expected_status(self.header)}"
                      + (f"; and {difference}" if difference else ""))
        if difference:
            self.fail(difference)
        if left:
            self.fail(f"{len(left)} processes were still there at the end")
        if toggles and not toggles.done and seconds > 10:
            self.fail(f"the program ran {seconds:.2f} s and no toggle was answered: {toggles.problem}")
        shutil.rmtree(self.folder, ignore_errors=True)
        print(f"passed in {seconds:.2f} s" + (f", {toggles.done} toggles" if toggles else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--mode", required=True, choices=sorted(MODE_OPTIONS))
    parser.add_argument("--vsup", default="vsup")
    parser.add_argument("--work", required=True, help="folder for this victim's runs")
    parser.add_argument("--option", action="append", default=[], help="a further option for vsup")
    parser.add_argument("--timeout-factor", type=float, default=1.0)
    run = Run(parser.parse_args())
    try:
        run.go()
    finally:
        shutil.rmtree(run.runtime, ignore_errors=True)


if __name__ == "__main__":
    main()
