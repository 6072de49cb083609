#!/usr/bin/python3
"""How programs, vsup and their terminal end each other: statuses, signals, SIGKILL, a full disk, ^C and job control."""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import procs  # noqa: E402
import session  # noqa: E402
from session import check, wait_until  # noqa: E402


def statuses(place):
    """vsup ends as its program does: exit codes and fatal signals."""
    for code in (0, 1, 2, 42, 127, 255):
        status, _, errors = place.run(["-q", "/bin/sh", "-c", f"exit {code}"])
        check(status == code, f"exit {code} became {session.name_of(status)}: {errors}")
    for name in ("TERM", "KILL", "SEGV", "ABRT", "HUP", "INT", "QUIT", "PIPE", "USR1"):
        number = getattr(signal, "SIG" + name)
        status, _, errors = place.run(["-q", "/bin/sh", "-c", f"kill -{name} $$"])
        check(status == -number, f"SIG{name} became {session.name_of(status)}: {errors}")


def summary(place):
    """Without -q a short closing summary on stderr: processes, time, where the results are."""
    status, output, errors = place.run(["--trace-children=yes", "/bin/sh", "-c", "echo a | cat; exit 3"])
    check(status == 3 and output == "a\n", f"{status} {output!r}")
    check("process" in errors and place.log in errors and len(errors.splitlines()) <= 6, f"summary: {errors!r}")
    place.check_complete()
    status, output, errors = place.run(["-q", "/bin/true"])
    check(errors == "", f"-q says {errors!r}")


def standard_streams(place):
    """stdin, stdout and stderr are the program's own, closed ones stay closed."""
    process = place.start(["-q", "/bin/cat"], stdin=subprocess.PIPE)
    output, _ = process.communicate("through\n", timeout=20)
    check(process.returncode == 0 and output == "through\n", f"{process.returncode} {output!r}")
    check_script = "import os\nfor fd in range(3):\n    try:\n" \
                   "        os.fstat(fd); print('open', fd, file=open('%s', 'a'))\n" \
                   "    except OSError:\n        print('closed', fd, file=open('%s', 'a'))\n"
    path = os.path.join(place.folder, "streams")
    log = f"--log-dir={place.folder}/log-%p"
    command = [place.vsup, "-q", log, "/usr/bin/python3", "-c", check_script % (path, path)]
    for redirect, want in (("<&-", "closed 0"), (">&-", "closed 1"), ("2>&-", "closed 2")):
        if os.path.exists(path):
            os.unlink(path)
        shell = "exec \"$@\" " + redirect
        process = place.start_native(["/bin/sh", "-c", shell, "sh"] + command)
        process.communicate(timeout=20)
        seen = procs.read(path)
        native = place.start_native(["/bin/sh", "-c", shell, "sh"] + command[3:])
        native.communicate(timeout=20)
        both = procs.read(path)
        check(both == seen * 2, f"{redirect}: native says {both[len(seen):]!r}, under vsup {seen!r} (want {want})")


def kill_tracee(place):
    """SIGKILL of a tracee at any moment leaves a complete directory."""
    for moment in (0.0, 0.005, 0.02, 0.1, 0.3):
        process = place.start(["-q", os.path.join(place.programs, "storm"), "20"], stderr=subprocess.DEVNULL)
        wait_until(lambda: any("storm" in procs.read(f"/proc/{pid}/cmdline").split(" ")[0]
                               for pid in procs.descendants(process.pid)), 10, "the program is executed")
        time.sleep(moment)
        for pid in procs.descendants(process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=20)
        check(process.returncode == -signal.SIGKILL, f"vsup ends with {session.name_of(process.returncode)}")
        records = place.check_complete()
        check(any(r.get("signal", {}).get("name") == "SIGKILL" for r in records.values()), f"no SIGKILL in {records}")


def kill_at_birth(place):
    """Nor is a child of vsup lost that is killed before it has become the program."""
    for _ in range(20):
        process = place.start(["-q", "/bin/sleep", "20"])
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        wait_until(lambda: procs.read(children), 10, "vsup has a child", pause=0)
        os.kill(int(procs.read(children).split()[0]), signal.SIGKILL)
        output, errors = process.communicate(timeout=20)
        check(process.returncode == -signal.SIGKILL and output == "" and errors == "",
              f"{session.name_of(process.returncode)} {output!r} {errors!r}")
        records = place.check_complete()
        check([r["signal"]["name"] for r in records.values()] == ["SIGKILL"], f"{records}")


def kill_while_executing(place):
    """SIGKILL in the middle of an execve, or while the new image is made ready, is the program's end like any other."""
    chain = 'exec sh -c "$chain"'
    for tool in ("none", "callgrind", "massif"):
        for moment in range(15):
            process = place.start(["-q", f"--tool={tool}", "--trace-children=yes", "sh", "-c", chain],
                                  env=dict(place.env, chain=chain))
            wait_until(lambda: any(name.partition(".")[2][:1].isdigit() and not name.partition(".")[2].startswith("0")
                                   for name in (os.listdir(place.log) if os.path.isdir(place.log) else [])),
                       10, "the program executes itself")
            time.sleep(0.003 * moment)
            os.kill(procs.descendants(process.pid)[0], signal.SIGKILL)
            output, errors = process.communicate(timeout=20)
            check(process.returncode == -signal.SIGKILL and errors == "",
                  f"{tool}: {session.name_of(process.returncode)} {output!r} {errors!r}")
            records = place.check_complete()
            last = max(records.values(), key=lambda record: record["image"])
            check(last.get("signal", {}).get("name") == "SIGKILL" and not last.get("note"), f"{tool}: {last}")


def broken_agent(place):
    """What breaks the agent ends its process, and the log says what was there: registers, code, the program's place."""
    program = ("memory = open('/proc/self/mem', 'r+b', buffering=0)\nmemory.seek(0x270000001000)\n"
               "memory.write(b'\\x0f\\x0b' * 0x8000)\nimport json, decimal, fractions\nprint('went on')")
    status, output, errors = place.run(["/usr/bin/python3", "-c", program])
    check(status == -signal.SIGKILL and output == "", f"{session.name_of(status)}: {output!r} {errors!r}")
    (name, record), = place.check_complete().items()
    log = procs.read(os.path.join(place.log, name, "log.txt"))
    for part in ("vsup failed inside this process", "(python3)", "signal 4 (Illegal instruction)", "(agent)", "rax ",
                 "app code around", "agent code around", "=> 0x27000000", "0f 0b"):
        check(part in log, f"no {part!r} in {log}")
    check(any("Illegal instruction" in line for line in record["crash"]), f"process.json says {record.get('crash')}")


def kill_by_vctl(place):
    """vctl -k ends the processes; the directory is complete."""
    process = place.start(["-q", os.path.join(place.programs, "storm"), "20"], stderr=subprocess.DEVNULL)
    place.control().close()
    time.sleep(0.2)
    status, output, errors = place.ctl("-k")
    check(status == 0, f"vctl -k: {status} {output!r} {errors!r}")
    process.communicate(timeout=20)
    check(process.returncode == -signal.SIGKILL, f"vsup ends with {session.name_of(process.returncode)}")
    place.check_complete()


def kill_vsup(place):
    """If vsup dies, no tracee runs on half-attached: instrumented or not, they end with it."""
    for options in ([], ["--instr-atstart=no"]):
        process = place.start(["-q", *options, os.path.join(place.programs, "storm"), "20"], stderr=subprocess.DEVNULL)
        place.control().close()
        time.sleep(0.3)
        tracees = procs.descendants(process.pid)
        check(tracees, "no tracee")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)

        def gone():
            procs.reap()
            return not [pid for pid in tracees if procs.stat_fields(pid)[:1] not in ([], ["Z"])]
        wait_until(gone, 5, f"tracees end with vsup: {tracees}")


def terminate_vsup(place):
    """SIGTERM and SIGHUP to vsup reach the program, as they would have reached it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        script = "trap 'echo caught; exit 9' TERM HUP; echo ready; while :; do sleep 0.05; done"
        process = place.start(["-q", "/bin/sh", "-c", script])
        check(process.stdout.readline() == "ready\n", "the shell did not start")
        os.kill(process.pid, number)
        output, errors = process.communicate(timeout=20)
        check(process.returncode == 9 and output == "caught\n",
              f"{number}: {session.name_of(process.returncode)} {output!r} {errors!r}")


def daemons(place):
    """With --wait-for-daemons=no vsup ends with the program; what a daemon does later is recorded, and vctl sees it."""
    front = ["--wait-for-daemons=no"]
    script = "import os, sys, time\nif os.fork() == 0:\n    os.setpgid(0, 0)\n" \
             "    null = os.open('/dev/null', os.O_RDWR)\n    for fd in range(3): os.dup2(null, fd)\n" \
             "    while not os.path.exists(sys.argv[1]): time.sleep(0.02)\n    os._exit(5)\nsys.exit(7)\n"
    for toggled in (False, True):
        go = os.path.join(place.folder, f"go{toggled}")
        status, output, errors = place.run([*front, "/usr/bin/python3", "-c", script, go])
        check(status == 7 and "1 process goes on in the background" in errors, f"{session.name_of(status)} {errors!r}")
        with open(os.path.join(place.log, "session.json"), encoding="utf-8") as f:
            text = json.load(f)
        check(text["state"] == "running" and text["background"], f"session.json: {text}")
        for number in (signal.SIGINT, signal.SIGHUP):  # of a terminal that is others' now
            os.kill(text["pid"], number)
            time.sleep(0.2)
        if toggled:
            client = place.control()
            for on in (False, True):
                client.toggle(on)
            client.close()
        open(go, "w", encoding="utf-8").close()

        def ended():
            with open(os.path.join(place.log, "session.json"), encoding="utf-8") as f:
                return json.load(f)["state"] == "ended"
        wait_until(ended, 15, "the session ends with the daemon")
        records = place.check_complete()
        check(any(record.get("exit_status") == 5 for record in records.values()), f"records: {records}")
    for name in ("TERM", "KILL", "SEGV"):
        status, _, errors = place.run(["-q", *front, "/bin/sh", "-c", f"kill -{name} $$"])
        check(status == -getattr(signal, "SIG" + name), f"SIG{name} became {session.name_of(status)}: {errors}")
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    process = place.start(["-q", *front, "/bin/sh", "-c", script])
    check(process.stdout.readline() == "ready\n", "the shell did not start")
    os.kill(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=20)
    check(process.returncode == 9 and output == "caught\n",
          f"{session.name_of(process.returncode)} {output!r} {errors!r}")
    process = place.start(["-q", *front, "/bin/sh", "-c", "echo ready; while :; do :; done"])
    check(process.stdout.readline() == "ready\n", "the shell did not start")
    left = procs.descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)

    def gone():
        procs.reap()
        return not [pid for pid in left if procs.stat_fields(pid)[:1] not in ([], ["Z"])]
    wait_until(gone, 5, f"session and tracees end with the front: {left}")


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, place, command):
        place.commands.append(command)
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, dict(place.env, PS1="prompt> ", TERM="dumb", HISTFILE="/dev/null"))

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text, seconds=15):
        """Waits until `text` appears after everything expected before."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise session.Failure(f"no {text!r} on the terminal, but {self.text!r}")
            try:
                self.text += os.read(self.fd, 4096).decode("utf-8", "replace")
            except OSError:
                raise session.Failure(f"the terminal closed without {text!r}, after {self.text!r}") from None
        self.text = self.text[self.text.index(text) + len(text):]

    def status(self):
        """Waits for the end; what is still printed is thrown away."""
        while True:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def interrupt_key(place):
    """^C reaches the program: one that ends by it, one that handles it, and python3."""
    terminal = Terminal(place, [place.vsup, "-q", f"--log-dir={place.log}", "/bin/sleep", "100"])
    place.control().close()
    time.sleep(0.2)
    terminal.send("\x03")
    check(terminal.status() == -signal.SIGINT, "sleep does not end by SIGINT")
    place.log += "2"
    script = "import time\ntry:\n    print('ready', flush=True)\n    while True: time.sleep(0.05)\n" \
             "except KeyboardInterrupt:\n    print('interrupted')\n"
    terminal = Terminal(place, [place.vsup, "-q", f"--log-dir={place.log}", "/usr/bin/python3", "-c", script])
    terminal.expect("ready")
    terminal.send("\x03")
    terminal.expect("interrupted")
    check(terminal.status() == 0, "python3 does not end well")


def job_control(place):
    """^Z stops, fg and bg continue, under an interactive bash, as without vsup."""
    terminal = Terminal(place, ["/bin/bash", "--norc", "--noprofile", "-i"])
    terminal.expect("prompt> ")
    terminal.send(f"{place.vsup} -q --log-dir={place.log} /bin/cat\n")
    terminal.expect("\n")
    wait_until(lambda: os.path.isdir(place.log) and place.process_records(), 10, "cat runs")
    time.sleep(0.3)
    terminal.send("first\n")
    terminal.expect("first\r\nfirst\r\n")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect("prompt> ")
    terminal.send("echo shell $((40+2))\n")
    terminal.expect("shell 42")
    terminal.expect("prompt> ")
    terminal.send("fg\n")
    terminal.expect("/bin/cat")
    time.sleep(0.3)
    terminal.send("second\n")
    terminal.expect("second\r\nsecond\r\n")
    terminal.send("\x04")
    terminal.expect("prompt> ")
    terminal.send("echo status $?\n")
    terminal.expect("status 0")
    terminal.send("exit\n")
    check(terminal.status() == 0, "bash does not end well")


def shell_under_vsup(place):
    """An interactive bash under vsup does job control itself."""
    terminal = Terminal(place, [place.vsup, "-q", "--trace-children=yes", f"--log-dir={place.log}", "/bin/bash",
                                "--norc", "--noprofile", "-i"])
    terminal.expect("prompt> ", 20)
    terminal.send("cat\n")
    terminal.expect("cat\r\n")
    time.sleep(0.5)
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect("prompt> ")
    terminal.send("fg\n")
    terminal.expect("cat\r\n")
    time.sleep(0.5)
    terminal.send("text\n")
    terminal.expect("text\r\ntext\r\n")
    terminal.send("\x03")
    terminal.expect("prompt> ")
    terminal.send("echo status $?\n")
    terminal.expect("status 130")
    terminal.send("exit 4\n")
    check(terminal.status() == 4, "bash's status is not vsup's")


def full_disk(place):
    """A full log disk is reported in one line; the program is not harmed and ends as ever."""
    disk = os.path.join(place.folder, "disk")
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode != 0:
        print("skipped full_disk: no right to mount")
        return
    try:
        place.log = os.path.join(disk, "log")
        process = place.start(["/bin/sh", "-c", "sleep 0.3; "
                               f"dd if=/dev/zero of={disk}/fill bs=1k count=200 2>/dev/null; "
                               "for i in 1 2 3 4 5; do /bin/true; done; (exit 6); echo went on; exit 8"])
        output, errors = process.communicate(timeout=30)
        check(process.returncode == 8 and output == "went on\n", f"{process.returncode} {output!r} {errors!r}")
        check("No space left" in errors, f"nothing is said of the full disk: {errors!r}")
        with open(os.path.join(place.log, "session.json"), encoding="utf-8") as f:
            json.load(f)
    finally:
        subprocess.run(["umount", disk], check=False)


def directories(place):
    """session.json and process.json say what happened; --log-file works; `latest` points to the session."""
    status, _, errors = place.run(["-q", "--trace-children=yes", f"--log-file={place.folder}/file-%p-%n.txt", "/bin/sh",
                                   "-c", "/bin/true; /bin/sh -c 'exec /bin/false'; exit 7"])
    check(status == 7, f"{status} {errors!r}")
    records = place.check_complete()
    names = sorted(name.split("-", 1)[1] for name in records)
    check(len(names) in (4, 5, 6) and "true" in names and "false" in names, f"directories {names}")
    session_record = place.session_record()
    check(len(session_record["processes"]) == len(records), "session.json and the directories differ")
    check(any(r.get("exit_status") == 1 for r in records.values()), "no exit status 1")
    images = [r for r in records.values() if r["image"] == 1]
    check(images, "no second image of a process")
    files = [f for f in os.listdir(place.folder) if f.startswith("file-")]
    check(len(files) >= 2, f"--log-file wrote {files}")
    default = place.start_native([place.vsup, "-q", "/bin/true"])
    default.communicate(timeout=20)
    latest = os.path.join(place.env["XDG_STATE_HOME"], "vsup", "latest")
    check(default.returncode == 0 and os.path.exists(os.path.join(latest, "session.json")), f"no {latest}")


def control_lists(place):
    """vctl -l, -s and -b of a running session, as text and as JSON; toggles by name and pid."""
    process = place.start(["-q", os.path.join(place.programs, "storm"), "6"], stderr=subprocess.DEVNULL)
    place.control().close()
    time.sleep(0.5)
    for arguments in (["-l"], ["-s"], ["-b"], ["-i", "off"], ["-i", "on"], ["-i", "off", "storm"],
                      ["-i", "on", str(procs.descendants(process.pid)[0])]):
        status, output, errors = place.ctl(*arguments)
        check(status == 0 and output.strip(), f"vctl {arguments}: {status} {output!r} {errors!r}")
        if arguments == ["-l"]:
            check("storm" in output and str(process.pid) in output, f"vctl -l: {output}")
        if arguments == ["-b"]:
            check("work" in output or "main" in output, f"vctl -b: {output}")
            check("0x27000" not in output, f"vctl -b shows the cache: {output}")
        status, output, errors = place.ctl("--json", *arguments)
        check(status == 0, f"vctl --json {arguments}: {status} {errors!r}")
        for line in output.splitlines() if output.count("\n{") else [output]:
            json.loads(line)
    process.communicate(timeout=30)
    check(process.returncode == 0, f"storm ends with {session.name_of(process.returncode)}")


def several_sessions(place):
    """Of several sessions vctl takes the one that is named, or the only one that has the processes that are."""
    first = place.start(["-q", "/bin/sleep", "100"])
    place.control().close()
    second = place.start(["-q", "--tool=callgrind", "/bin/sh", "-c", "while :; do :; done"])
    wait_until(lambda: place.ctl("-l")[1].count("instrumented") == 2, 10, "both sessions run")
    (sleeper,), (shell,) = procs.descendants(first.pid), procs.descendants(second.pid)
    for arguments, wanted in ((["-i", "off", str(sleeper)], "1 thread of 1 process"), (["-s", "sh"], f"{shell} "),
                              (["-b", "sleep"], f"{sleeper} sleep"), (["-e", "Ir", "sh"], "Ir"),
                              (["-i", "off", f"--session={second.pid}"], "1 thread")):
        status, output, errors = place.ctl(*arguments)
        check(status == 0 and wanted in output, f"vctl {arguments}: {status} {output!r} {errors!r}")
    for arguments, wanted in ((["-s"], "several sessions"), (["-s", "sleep", "sh"], "no session has all the processes"),
                              (["-s", "1"], "no session has a process 1"), (["-s", ""], "no session has a process ''"),
                              (["-e", "Nope", "sh"], "no event 'Nope' is counted; there are: Ir"),
                              (["-d", "--session", str(first.pid)], "the tool none has no request 'dump'"),
                              (["stop", "sh"], "nothing to do with 'stop'")):
        status, output, errors = place.ctl(*arguments)
        check(status == 1 and wanted in errors and len(errors.splitlines()) == 1 and output == "",
              f"vctl {arguments}: {status} {output!r} {errors!r}")
    for name in ("sleep", "sh"):
        status, _, errors = place.ctl("-k", name)
        check(status == 0, f"vctl -k {name}: {errors}")
    for process in (first, second):
        process.communicate(timeout=20)
        check(process.returncode == -signal.SIGKILL, f"{session.name_of(process.returncode)}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (statuses, summary, standard_streams, broken_agent, kill_tracee, kill_at_birth,
                                          kill_while_executing, kill_by_vctl, kill_vsup, terminate_vsup, daemons,
                                          interrupt_key, job_control, shell_under_vsup, full_disk, directories,
                                          control_lists, several_sessions)}, __doc__)
