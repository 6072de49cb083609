#!/usr/bin/python3
"""Old habits: `valgrind` and `callgrind_control` of libexec/vsup/compat take Valgrind's command lines, write the same
files in the same places and say the same."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from callgrind import Profile  # noqa: E402
from session import check  # noqa: E402


def prepare(place):
    """The front-ends first in PATH, an empty folder to work in."""
    place.compat = os.path.join(os.path.dirname(os.path.dirname(place.vsup)), "libexec", "vsup", "compat")
    place.env["PATH"] = place.compat + ":" + place.env["PATH"]
    place.env["HOME"] = place.folder
    place.work = os.path.join(place.folder, "work")
    os.mkdir(place.work)


def call(place, *words, **kwargs):
    place.commands.append(list(words))
    return subprocess.run(words, env=place.env, cwd=place.work, capture_output=True, text=True, timeout=90,
                          stdin=subprocess.DEVNULL, **kwargs)


def valgrind_callgrind(place):
    """The profile lies in the current directory, the log goes to standard error, the status is the program's."""
    prepare(place)
    program = os.path.join(place.programs, "live")
    result = call(place, "valgrind", "--tool=callgrind", "--num-transtab-sectors=48", "--smc-check=all-non-file",
                  "--trace-children=yes", "--vgdb=no", program, "threads", "1")
    check(result.returncode == 0 and "live done" in result.stdout, f"{result}")
    check(re.search(r"==\d+== .*live threads 1", result.stderr), result.stderr)
    files = os.listdir(place.work)
    check(len(files) == 1 and re.fullmatch(r"callgrind\.out\.\d+", files[0]), f"{files}")
    check(Profile(os.path.join(place.work, files[0])).cost["work"] > 0, "no work in the profile")
    named = call(place, "valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=here.%p", "--dump-instr=yes", "--",
                 "sh", "-c", "exit 7")
    check(named.returncode == 7 and named.stderr == "", f"{named}")
    check(glob.glob(os.path.join(place.work, "here.*")), f"{os.listdir(place.work)}")


def daemon_left_behind(place):
    """valgrind ends with the program, whose profile is there by then; a daemon's comes when that ends."""
    prepare(place)
    script = "(while [ ! -e go ]; do sleep 0.05; done) </dev/null >/dev/null 2>&1 & exit 7"
    result = call(place, "valgrind", "-q", "--tool=callgrind", "sh", "-c", script)
    check(result.returncode == 7, f"{result}")
    check(len(glob.glob(os.path.join(place.work, "callgrind.out.*"))) == 1, f"{os.listdir(place.work)}")
    open(os.path.join(place.work, "go"), "w", encoding="utf-8").close()
    session.wait_until(lambda: len(glob.glob(os.path.join(place.work, "callgrind.out.*"))) >= 2, 15,
                       "the daemon's profile")


def other_tools(place):
    """cachegrind and massif, as sage's scripts call them."""
    prepare(place)
    for tool, options in (("cachegrind", []), ("massif", ["--depth=6"])):
        log = os.path.join(place.work, f"sage-{tool}.%p")
        result = call(place, "valgrind", f"--tool={tool}", f"--log-file={log}", *options,
                      os.path.join(place.programs, "live"), "threads", "1")
        check(result.returncode == 0, f"{tool}: {result}")
        names = sorted(os.listdir(place.work))
        check(any(re.fullmatch(rf"{tool}\.out\.\d+", name) for name in names), f"{tool}: {names}")
        check(any(re.fullmatch(rf"sage-{tool}\.\d+", name) for name in names), f"{tool}: {names}")
        check(not result.stderr, f"{tool}: the log has a file: {result.stderr}")


def option_sources(place):
    """~/.valgrindrc, $VALGRIND_OPTS and ./.valgrindrc count, with the tool's name in front too."""
    prepare(place)
    with open(os.path.join(place.env["HOME"], ".valgrindrc"), "w", encoding="utf-8") as f:
        f.write("--tool=callgrind\n# --bogus\n--callgrind:dump-instr=yes --massif:depth=3\n")
    with open(os.path.join(place.work, ".valgrindrc"), "w", encoding="utf-8") as f:
        f.write("--callgrind-out-file=third\n")
    place.env["VALGRIND_OPTS"] = "--callgrind-out-file=second -q"
    check(call(place, "valgrind", "true").returncode == 0, "options from files")
    with open(os.path.join(place.work, "third"), encoding="utf-8") as f:
        check("positions: instr line" in f.read(), "dump-instr from ~/.valgrindrc")
    os.chmod(os.path.join(place.work, ".valgrindrc"), 0o666)
    call(place, "valgrind", "true")
    check(os.path.exists(os.path.join(place.work, "second")), "a file that anybody may write counted")


def sage_options(place):
    """sage -callgrind reaches vsup although Sage puts a folder with another valgrind first in PATH, and what Sage's
    scripts start after several others. The rest is Sage's."""
    prepare(place)
    folder = os.path.join(place.folder, "sage's")
    os.mkdir(folder)
    own = {"sage": 'PATH="' + folder + '":$PATH; [ "$1" != -sh ] || { shift; exec "$SHELL" "$@"; }\n'
                   '[ "$1" != -python ] || exec "sage -python" "$@"\necho "sage: $*"',
           "sage-callgrind": 'exec valgrind -q --tool=callgrind --callgrind-out-file=$DOT_SAGE/%p sage-python "$@"',
           "sage-python": 'sage -python "$@"; exit $?',
           "sage -python": "exec " + os.path.join(place.programs, "live") + ' threads "$2"',
           "valgrind": "echo another valgrind; exit 5"}
    for name, text in own.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
    place.env["PATH"] = place.compat + ":" + folder + ":" + place.env["PATH"]
    place.env["DOT_SAGE"] = os.path.join(place.work, "dot")
    for option in ("-callgrind", "--callgrind"):
        result = call(place, "sage", option, "2")
        check(result.returncode == 0 and result.stdout == "live done\n", f"{option}: {result}")
    files = [os.path.join(place.env["DOT_SAGE"], name) for name in os.listdir(place.env["DOT_SAGE"])]
    with_program = [name for name in files if b"live.c" in open(name, "rb").read()]
    check(len(with_program) == 2, f"{with_program} of {files}")
    result = call(place, "sage", "-c", "a  b")
    check(result.returncode == 0 and result.stdout == "sage: -c a  b\n", f"{result}")


def what_is_refused(place):
    """One line for each mistake; what has no meaning is told with -v alone."""
    prepare(place)
    for words, said in ((["--tool=callgrind", "--cache-sim=maybe", "true"], "--cache-sim=maybe"),
                        (["--tool=helgrind", "true"], "no tool 'helgrind'"),
                        (["--tool=callgrind", "--log-socket=127.0.0.1", "true"], "no counterpart"),
                        (["--tool=callgrind", "--bogus=1", "true"], "--bogus=1"),
                        (["--tool=callgrind", "-x", "true"], "-x"),
                        (["--tool=callgrind"], "no program")):
        result = call(place, "valgrind", *words)
        check(result.returncode == 1 and said in result.stderr and result.stderr.count("\n") == 1,
              f"{words}: {result}")
    check(call(place, "valgrind", "--version").stdout.startswith("valgrind-3."), "--version")
    check("callgrind" in call(place, "valgrind", "--help").stdout, "--help")
    result = call(place, "valgrind", "-v", "--tool=none", "--vex-guest-max-insns=50", "true")
    check(result.returncode == 0 and "--vex-guest-max-insns=50 has no meaning" in result.stderr, f"{result}")
    result = call(place, "valgrind", "--tool=none", "--vex-guest-max-insns=50", "true")
    check("no meaning" not in result.stderr, result.stderr)
    # Valgrind's debugging options, as they are by default, and the old name of --LL=.
    result = call(place, "valgrind", "--tool=callgrind", "--collect-alloc=no", "--dump-bb=no", "--mangle-names=yes",
                  "--cache-sim=yes", "--L2=1048576,8,64", "--callgrind-out-file=old-names", "true")
    with open(os.path.join(place.work, "old-names"), encoding="utf-8") as profile:
        check("desc: LL cache: 1048576 B, 64 B, 8-way associative" in profile.read(), f"{result}")
    check("no counterpart" in call(place, "valgrind", "--tool=callgrind", "--collect-alloc=yes", "true").stderr,
          "--collect-alloc=yes")


def control(place):
    """callgrind_control's options, on a program that computes and one that waits."""
    prepare(place)
    check(call(place, "callgrind_control").stdout == "No active callgrind runs detected.\n", "without a run")
    program = os.path.join(place.programs, "live")
    process = subprocess.Popen(["valgrind", "-q", "--tool=callgrind", program, "blocked"], env=place.env,
                               cwd=place.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    check(process.stdout.readline() == "deep\n", "not there")

    def said(*words):
        result = call(place, "callgrind_control", *words)
        check(result.returncode == 0, f"{words}: {result}")
        return result.stdout

    pid = int(re.match(r"PID (\d+): \S*live blocked\n", said())[1])
    check(said(str(pid)) == said("live") == said(), "by pid, by name, all")
    check(f"(in {place.work})" in said("-l"), "-l")
    check(str(pid) in said("-w", place.work) and "No active" in said("-w", "/"), "-w")
    text = said("-s")
    check(re.search(r"Number of running threads: 1, thread IDs: 1\n  Events collected: Ir\n"
                    r"  Functions: \d+ \(executed [\d,]+, contexts \d+\)\n"
                    r"  Basic blocks: [\d,]+ \(executed [\d,]+, call sites \d+\)\n", text), text)
    text = said("-e")
    check(re.search(r"\n  Totals: *Ir \n   Th 1  +[\d,]+ \n", text), text)
    check("`Dr' is not being collected" in said("-e", "Dr", str(pid)), "an event that is not there")
    text = said("-b")
    check(re.search(r"  Frame: Backtrace for Thread 1\n   \[ 0\]  ", text), text)
    check(len(re.findall(r"\]  deep \(\d+ x\)", text)) == 6 and re.search(r"main \(1 x\)", text), text)
    check(re.search(r"Frame: +Ir Backtrace.*\n   \[ 0\] +[\d,]+ ", said("-b", "-e")), "-b -e")
    check(said("-d", "by_hand") == said("-d").replace("by_hand", ""), "-d")
    check(said("--dump=with words").endswith("  OK.\n"), "--dump")
    check(said("-z").endswith("  OK.\n"), "-z")
    check(said("-i", "off").endswith("  OK.\n") and "switched off" in said("-s"), "-i off")
    check(said("--instr=on").endswith("  OK.\n") and "Functions" in said("-s"), "-i on")
    for words in (["--bogus"], ["999999"], ["-i"], ["-i", "maybe"]):
        check(said(*words).startswith("Error: "), f"{words}")
    triggers = []
    for path in sorted(glob.glob(os.path.join(place.work, f"callgrind.out.{pid}.*"))):
        with open(path, encoding="utf-8") as f:
            triggers.append(re.search(r"desc: Trigger: (.*)", f.read())[1])
    check(triggers == ["dump by_hand", "dump", "dump with words"], f"{triggers}")
    check(said("-k").endswith("  OK.\n"), "-k")
    process.communicate(timeout=30)
    check(process.returncode == -9, f"{process.returncode}")
    check(os.path.exists(os.path.join(place.work, f"callgrind.out.{pid}")), "the last part of a killed program")


def same_form_as_callgrind_control(place):
    """Line by line what Valgrind's own callgrind_control prints of the same program, but for the numbers."""
    prepare(place)
    own = shutil.which("valgrind", path="/usr/bin:/usr/local/bin")
    if own is None:
        print("skipped: valgrind is not installed")
        return
    program = os.path.join(place.programs, "live")
    place.env["TMPDIR"] = place.work  # else it finds whatever else runs under Valgrind

    def shapes(folder):
        process = subprocess.Popen([os.path.join(folder, "valgrind"), "-q", "--tool=callgrind", program, "blocked"],
                                   env=place.env, cwd=place.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        check(process.stdout.readline() == "deep\n", "not there")
        result = []
        for words in ([], ["-s"], ["-e"], ["-b"], ["-z"], ["-d", "hint"], ["-s", "-e"]):
            text = call(place, os.path.join(folder, "callgrind_control"), *words).stdout
            text = "\n".join(line for line in text.splitlines() if not line.startswith("sending command"))
            # The frames below main, and in a library whose symbols differ, are another matter.
            text = re.sub(r"   \[..\]  (?!deep|main).*\n", "", text)
            result.append(re.sub(r" +", " ", re.sub(r"\[ ?\d+\]", "[]", re.sub(r"\b\d[\d,]*\b", "N", text))).rstrip())
        process.communicate("x", timeout=60)
        return result

    theirs, ours = shapes(os.path.dirname(own)), shapes(place.compat)
    for one, other in zip(theirs, ours):
        check(one == other, f"Valgrind's:\n{one}\nours:\n{other}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (valgrind_callgrind, daemon_left_behind, other_tools, option_sources,
                                          sage_options, what_is_refused, control,
                                          same_form_as_callgrind_control)}, __doc__)
