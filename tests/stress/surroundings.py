#!/usr/bin/python3
"""What vsup is started in and gets from others: signals of its own, daemons left behind, small limits, parents."""
import glob
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import procs  # noqa: E402
import session  # noqa: E402
from session import check, wait_until  # noqa: E402

COUNTS = """
import signal, sys, time
got = []
numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM]
for number in numbers:
    signal.signal(number, lambda seen, frame: got.append(seen))
print('ready', flush=True)
while set(got) != set(numbers): time.sleep(0.02)
time.sleep(0.3)
print(len(got), 'of', len(numbers))
"""


def signals_to_vsup(place):
    """Signals sent to vsup alone, or to its whole process group, reach the program once each."""
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
               signal.SIGALRM]
    for options in ([], ["--wait-for-daemons=no"]):
        for send in (os.kill, os.killpg):
            process = place.start(["-q", *options, "/usr/bin/python3", "-c", COUNTS])
            check(process.stdout.readline() == "ready\n", "the program did not start")
            for number in numbers:
                send(process.pid, number)
            output, errors = process.communicate(timeout=20)
            check(process.returncode == 0 and output == "7 of 7\n",
                  f"{options} {send.__name__}: {session.name_of(process.returncode)} {output!r} {errors!r}")


def left_behind(place):
    """What a program leaves behind is waited for, vsup says so, and ^C, or SIGTERM to vsup, lets go of it unharmed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        script = f"setsid sh -c 'echo $$ >{place.folder}/pid; exec sleep 100' </dev/null >/dev/null 2>&1 & exit 7"
        process = place.start(["--trace-children=yes", "sh", "-c", script])
        said = process.stderr.readline()
        pid = int(procs.read(f"{place.folder}/pid"))
        check("waiting for 1 process" in said and f"{pid} sleep" in said, f"vsup says {said!r}")
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=20)
        check(process.returncode == 7, f"{session.name_of(process.returncode)}: {errors}")
        wait_until(lambda: procs.stat_fields(pid)[0] == "S", 10, "sleep sleeps on")
        check(not procs.arena_lines(pid), f"sleep: {procs.arena_lines(pid)}")
        os.kill(pid, signal.SIGKILL)
        records = place.check_complete()
        check(any(record["state"] == "detached" for record in records.values()), f"records: {records}")


def file_size_limit(place):
    """A limit on the size of files is the program's; vsup's own writes do not end it."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    script = "ulimit -f; dd if=/dev/zero of=%s/file bs=1k count=1 2>/dev/null; echo $?; exit 4" % place.folder
    native = subprocess.run(["sh", "-c", script], preexec_fn=limit, capture_output=True, text=True, check=False)
    status, output, errors = place.run(["-q", "sh", "-c", script], preexec_fn=limit)
    check((status, output, errors) == (4, native.stdout, ""), f"{status} {output!r} {errors!r}, natively {native}")
    place.check_complete()
    process = place.start(["-q", "sh", "-c", "echo went on; exit 5"],
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)))
    output, errors = process.communicate(timeout=20)
    check(process.returncode == 5 and output == "went on\n" and "File too large" in errors,
          f"{session.name_of(process.returncode)} {output!r} {errors!r}")


def few_descriptors(place):
    """Too few file descriptors to start with: vsup says so and ends."""
    for count in (4, 6, 8, 10):
        process = place.start(["-q", "/bin/true"],
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
        _, errors = process.communicate(timeout=20)
        check(process.returncode == 1 and "Too many open files" in errors and "terminate" not in errors,
              f"{count}: {session.name_of(process.returncode)} {errors!r}")


def parents(place):
    """The log names the parent that getppid() names, attached to or started."""
    status, output, _ = place.run(["-q", "sh", "-c", "echo $PPID"])
    (name, _), = place.check_complete().items()
    log = procs.read(os.path.join(place.log, name, "log.txt"))
    check(status == 0 and f"Parent PID: {output}" in log, f"{output!r}: {log}")
    sleeper = place.start_native(["/bin/sleep", "100"])
    wait_until(lambda: "sleep" in procs.read(f"/proc/{sleeper.pid}/cmdline"), 10, "sleep runs")
    process = place.start(["-q", f"--attach={sleeper.pid}"])
    place.control().close()
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    (name, _), = place.check_complete().items()
    log = procs.read(os.path.join(place.log, name, "log.txt"))
    check(f"Parent PID: {os.getpid()}\n" in log, log)
    sleeper.kill()
    sleeper.communicate()


def deleted_program(place):
    """A program whose file has been deleted keeps its name."""
    path = os.path.join(place.folder, "gone")
    subprocess.run(["cp", "/bin/sleep", path], check=True)
    sleeper = place.start_native([path, "100"])
    wait_until(lambda: "gone" in procs.read(f"/proc/{sleeper.pid}/cmdline"), 10, "the program runs")
    os.unlink(path)
    process = place.start(["-q", f"--attach={sleeper.pid}"])
    place.control().close()
    status, output, errors = place.ctl("detach", "gone")
    check(status == 0, f"{output} {errors}")
    process.communicate(timeout=20)
    records = place.check_complete()
    check(list(records) == [f"{sleeper.pid}.0-gone"] and records[f"{sleeper.pid}.0-gone"]["executable"] == path,
          f"{records}")
    sleeper.kill()
    sleeper.communicate()


SORTS = """
import time
print('ready', flush=True)
end = time.monotonic() + 2
while time.monotonic() < end: sorted(range(1000))
"""


def deleted_program_without_privilege(place):
    """Its functions have names where nobody may open what /proc/PID/map_files has."""
    path, vsup = os.path.join(place.folder, "gone"), os.path.join(place.folder, "vsup")
    shutil.copy(os.path.realpath("/usr/bin/python3"), path)
    shutil.copy(place.vsup, vsup)
    own = {"env": dict(place.env, XDG_RUNTIME_DIR=os.path.join(place.folder, "own"))}
    os.mkdir(own["env"]["XDG_RUNTIME_DIR"], 0o700)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        own.update(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
        os.chown(own["env"]["XDG_RUNTIME_DIR"], nobody.pw_uid, nobody.pw_gid)
        os.chmod(place.folder, 0o777)
    program = place.start_native([path, "-S", "-c", SORTS], **own)
    check(program.stdout.readline() == "ready\n", "the program did not start")
    os.unlink(path)
    place.vsup = vsup
    status, _, errors = place.run(["-q", "--tool=callgrind", f"--attach={program.pid}"], **own)
    check(status == 0 and program.wait() == 0, errors)
    (name, _), = place.check_complete().items()
    profile, = glob.glob(os.path.join(place.log, name, "callgrind.out.*"))
    check("_PyEval_EvalFrameDefault" in procs.read(profile), "no function of the program has a name")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (signals_to_vsup, left_behind, file_size_limit, few_descriptors, parents,
                                          deleted_program, deleted_program_without_privilege)}, __doc__)
