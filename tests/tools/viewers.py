#!/usr/bin/python3
"""The programs with windows that read vsup's files, on a display of their own: massif-visualizer and KCachegrind
(Debian's packages of these names; beside KCachegrind xvfb, x11-utils and dbus). Both are shown a file that is none,
too, so that the test knows what refusal looks like.

One name on the command line; exit status 77 (skipped) without what it needs.
"""
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

NEEDED = {"massif_visualizer": ["massif-visualizer"],
          "kcachegrind": ["kcachegrind", "xvfb-run", "xwininfo", "dbus-run-session"]}
SECONDS = 60


def result(place, pattern, *arguments):
    status, _, errors = place.run(["-q", *arguments], timeout=60)
    check(status == 0, f"status {status}: {errors}")
    files = glob.glob(os.path.join(place.log, "*", pattern))
    check(len(files) == 1, f"files: {files}")
    return files[0]


def no_profile(place):
    path = os.path.join(place.folder, "massif.out.1")
    with open(path, "w", encoding="utf-8") as f:
        f.write("neither a profile nor anything else\n")
    return path


def start(place, command):
    """A program with windows, its output in a file: it runs until it is ended. Answers how to read that file."""
    output = os.path.join(place.folder, f"output-{len(place.commands)}")
    environment = dict(place.env, HOME=place.folder, QT_LOGGING_RULES="*.debug=true", LC_ALL="C.UTF-8")
    if "DISPLAY" not in environment:
        environment["QT_QPA_PLATFORM"] = "xcb" if "xvfb-run" in command else "offscreen"
    with open(output, "w", encoding="utf-8") as f:
        place.start_native(command, env=environment, stdout=f, stderr=f)

    def read():
        with open(output, encoding="utf-8", errors="replace") as f:
            return f.read()
    return read


def massif_visualizer(place):
    program = os.path.join(place.programs, "heap_cpp")
    for arguments in ([program], ["--detailed-freq=1", "--stacks=yes", program],
                      ["--time-unit=B", "--depth=3", program],
                      ["/usr/bin/python3", "-c", "kept = [str(n) for n in range(50000)]"]):
        path = result(place, "massif.out.*", "--tool=massif", *arguments)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        read = start(place, ["massif-visualizer", path])
        said = session.wait_until(lambda: re.search(r'peak cost: .*', read()) and read(), SECONDS,
                                  "massif-visualizer says what it has loaded")
        check("invalid line" not in said and f"file://{path}" in said, said)
        check(re.search(rf"^snapshots: {len(re.findall('^snapshot=', text, re.M))}$", said, re.M), said)
        check(re.search(rf'^command: "{re.escape(re.search("^cmd: (.*)$", text, re.M).group(1))}"$', said, re.M), said)
        unit = re.search(r"^time_unit: (.*)$", text, re.M).group(1)
        check(f'time unit: "{unit}"' in said, said)
        peak = re.search(r"snapshot=(\d+)\n#-+\ntime=(\d+)\n(?:mem.*\n)+heap_tree=peak", text)
        check(f'peak: snapshot # {peak.group(1)} after {peak.group(2)} "{unit}"' in said, said)
    read = start(place, ["massif-visualizer", no_profile(place)])
    session.wait_until(lambda: 'invalid line 1 "neither' in read(), SECONDS,
                       "massif-visualizer refuses what is no profile")


def kcachegrind(place):
    """The main window has the file's name and the command that is in it; a file that it cannot load gives a message."""
    script = os.path.join(place.folder, "windows")
    with open(script, "w", encoding="utf-8") as f:
        f.write('#!/bin/bash\nkcachegrind "$1" &\nwhile sleep 0.5; do xwininfo -root -tree; done\n')
    os.chmod(script, 0o755)
    display = ["dbus-run-session", "--", "xvfb-run", "-a", script]
    program = os.path.join(place.programs, "profiled")
    for tool, arguments in (("callgrind", ["--dump-instr=yes", "--collect-jumps=yes"]),
                               ("callgrind", ["--cache-sim=yes", "--branch-sim=yes"]),
                               ("cachegrind", ["--cache-sim=yes"])):
        path = result(place, f"{tool}.out.*", f"--tool={tool}", *arguments, program)
        read = start(place, display + [path])
        session.wait_until(lambda: f'"{path} [{program}] — KCachegrind"' in read(), SECONDS,
                           f"KCachegrind's window shows {path} of {program}")
        check('"Error — KCachegrind"' not in read(), read())
    read = start(place, display + [no_profile(place)])
    session.wait_until(lambda: '"Error — KCachegrind"' in read(), SECONDS, "KCachegrind refuses what is no profile")


for name, programs in NEEDED.items():
    missing = [program for program in programs if not shutil.which(program)]
    if missing and name in sys.argv:
        print(f"skipped: not installed: {', '.join(missing)}")
        sys.exit(77)
session.main({"massif_visualizer": massif_visualizer, "kcachegrind": kcachegrind}, __doc__)
