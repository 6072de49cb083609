"""Starts vsup for a test: its own runtime folder and log folder, a look at both, and an end to everything it started.

Used as a context manager: a failing test keeps its folder and says where it is.
"""
import glob
import json
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
import procs  # noqa: E402


class Failure(Exception):
    """What a test found wrong."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def wait_until(condition, seconds, what, pause=0.005):
    """Returns the condition's first true value, looked for each `pause` seconds; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


class Place:
    """Folders and environment of one test."""

    def __init__(self, vsup, vctl):
        self.vsup, self.vctl = vsup, vctl
        self.folder = tempfile.mkdtemp(prefix="vsup-test-")  # short: a socket's path has 107 characters at most
        self.log = os.path.join(self.folder, "log")
        self.env = dict(os.environ, XDG_RUNTIME_DIR=os.path.join(self.folder, "run"),
                        XDG_STATE_HOME=os.path.join(self.folder, "state"), LC_ALL="C.UTF-8")
        os.mkdir(self.env["XDG_RUNTIME_DIR"], 0o700)
        self.commands = []

    def __enter__(self):
        procs.become_subreaper()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        return self

    def __exit__(self, kind, error, trace):
        if kind is subprocess.TimeoutExpired or kind is Failure:
            print(procs.describe_tree())
        procs.end_descendants()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return False
        print("commands so far:")
        for command in self.commands:
            print("  " + " ".join(shlex.quote(c) for c in command))
        for path in sorted(glob.glob(os.path.join(self.folder, "**", "*.txt"), recursive=True))[:6] + \
                glob.glob(os.path.join(self.folder, "**", "vsup.log"), recursive=True)[:1]:
            text = procs.read(path).strip()
            if text:
                print(f"--- {path} (last 30 lines)\n" + "\n".join(text.splitlines()[-30:]))
        print(f"folder: {self.folder}")
        return False

    def start(self, arguments, **kwargs):
        """vsup with `arguments`, in a session of its own; output goes to pipes unless said otherwise."""
        number = 1
        while os.path.exists(self.log):  # a directory with results is refused
            number += 1
            self.log = os.path.join(self.folder, f"log-{number}")
        command = [self.vsup, f"--log-dir={self.log}"] + arguments
        return self.start_native(command, **kwargs)

    def start_native(self, command, **kwargs):
        self.commands.append(command)
        options = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                       start_new_session=True, text=True)
        options.update(kwargs)
        return subprocess.Popen(command, **options)

    def run(self, arguments, timeout=30, **kwargs):
        """vsup to its end: (status, output, errors)."""
        process = self.start(arguments, **kwargs)
        output, errors = process.communicate(timeout=timeout)
        return process.returncode, output, errors

    def ctl(self, *arguments, timeout=20):
        """vctl to its end: (status, output, errors)."""
        process = self.start_native([self.vctl] + list(arguments))
        output, errors = process.communicate(timeout=timeout)
        return process.returncode, output, errors

    def control(self, seconds=10):
        """A connection to the running session."""
        def connect():
            path = control.find_socket(self.env["XDG_RUNTIME_DIR"])
            try:
                return path and control.Session(path)
            except OSError:
                return None
        return wait_until(connect, seconds, "a control socket")

    def session_record(self):
        with open(os.path.join(self.log, "session.json"), encoding="utf-8") as f:
            return json.load(f)

    def process_records(self):
        """process.json of every process directory, by directory name."""
        records = {}
        for path in sorted(glob.glob(os.path.join(self.log, "*", "process.json"))):
            with open(path, encoding="utf-8") as f:
                records[os.path.basename(os.path.dirname(path))] = json.load(f)
        return records

    def check_complete(self):
        """Every directory of the ended session is there and says how its process ended."""
        session = self.session_record()
        check(session["state"] == "ended", f"session.json says {session['state']}")
        records = self.process_records()
        check(records, "no process directory")
        for name, record in records.items():
            check(record["state"] != "running", f"{name}/process.json says running")
            check(os.path.exists(os.path.join(self.log, name, "log.txt")), f"{name}/log.txt is missing")
        left = glob.glob(os.path.join(self.log, "**", "*.tmp*"), recursive=True)
        check(not left, f"temporary files are left: {left}")
        return records


def name_of(status):
    return signal.Signals(-status).name if status < 0 else str(status)


def main(tests, description):
    """Runs the test named on the command line, or all: `file.py --vsup=... --vctl=... --programs=DIR [NAME...]`."""
    import argparse
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--vctl", required=True)
    parser.add_argument("--programs", required=True, help="folder of the built helper programs")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    failed = 0
    for name, test in tests.items():
        if args.names and name not in args.names:
            continue
        started = time.monotonic()
        try:
            with Place(os.path.abspath(args.vsup), os.path.abspath(args.vctl)) as place:
                place.programs = os.path.abspath(args.programs)
                test(place)
        except Exception as error:  # every test is run, each failure told
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")
            print(f"repeat: {sys.executable} {os.path.abspath(sys.argv[0])} --vsup={args.vsup} --vctl={args.vctl} "
                  f"--programs={args.programs} {name}")
        else:
            print(f"passed {name} ({time.monotonic() - started:.2f} s)")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
