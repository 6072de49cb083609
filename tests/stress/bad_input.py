#!/usr/bin/python3
"""Bad input: each gets one clear line and a non-zero exit; the app is not harmed and no result lost."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import control  # noqa: E402
import machine  # noqa: E402
import procs  # noqa: E402
import session  # noqa: E402
from session import check, wait_until  # noqa: E402


def refused(place, arguments, pattern, statuses=None, command=None):
    """vsup (or `command`) says one line that matches, and fails."""
    process = place.start_native((command or [place.vsup]) + arguments)
    output, errors = process.communicate(timeout=20)
    told = errors.strip()
    check(process.returncode > 0, f"{arguments}: status {session.name_of(process.returncode)}, {told!r}")
    check(statuses is None or process.returncode in statuses, f"{arguments}: status {process.returncode}, {told!r}")
    check(len(told.splitlines()) == 1, f"{arguments}: not one line but {told!r}")
    check(re.search(pattern, told, re.IGNORECASE), f"{arguments}: {told!r} does not match {pattern!r}")
    check(output == "", f"{arguments}: output {output!r}")


def programs(place):
    """Programs that cannot be started."""
    folder = place.folder
    plain = os.path.join(folder, "plain.txt")
    script = os.path.join(folder, "script")
    garbage = os.path.join(folder, "garbage")
    foreign = os.path.join(folder, "foreign")
    with open("/bin/true", "rb") as f:
        header = bytearray(f.read(64))
    header[18:20] = struct.pack("<H", 183)  # EM_AARCH64
    texts = {plain: b"text\n", script: b"#!/no/such/interpreter\necho x\n", garbage: b"\x7fELF garbage",
             foreign: header}
    for path, text in texts.items():
        with open(path, "wb") as f:
            f.write(text)
        os.chmod(path, 0o644 if path == plain else 0o755)
    log = f"--log-dir={place.folder}/log-%p"
    refused(place, [log, "/no/such/program"], "/no/such/program.*(no such file|not found)", {127, 1, 2})
    refused(place, [log, "no-such-program-in-path"], "no-such-program-in-path.*(no such|not found)", {127, 1, 2})
    refused(place, [log, plain], "permission denied|not executable", {126, 1, 2})
    refused(place, [log, folder], "directory|permission denied|not executable", {126, 1, 2})
    refused(place, [log, script], "interpreter", {126, 127, 1, 2})
    refused(place, [log, garbage], "exec format|not an executable|format", {126, 1, 2})
    refused(place, [log, foreign], "foreign: built for another processor", {126})
    refused(place, [log], "program|attach")


def options(place):
    """Unknown options, values and tools, with the nearest name."""
    refused(place, ["--trace-childen=yes", "/bin/true"], "trace-childen.*trace-children")
    refused(place, ["--tool=nome", "/bin/true"], "nome.*none")
    refused(place, ["--trace-children=maybe", "/bin/true"], "maybe.*(yes|no)")
    refused(place, ["--flush-every=many", "/bin/true"], "flush-every.*number|number.*flush-every|many")
    refused(place, ["--max-block-instructions=100000", "/bin/true"], "max-block-instructions|256")
    refused(place, ["--cache-limit=-5", "/bin/true"], "cache-limit|-5")


def unwritable(place):
    """A log directory that cannot be made."""
    refused(place, ["--log-dir=/proc/no", "/bin/true"], "/proc/no")
    path = os.path.join(place.folder, "file")
    with open(path, "w", encoding="utf-8"):
        pass
    refused(place, [f"--log-dir={path}/below", "/bin/true"], "not a directory|exists")


def attach(place):
    """Attaching to what is gone, traced, or ours not to trace."""
    log = f"--log-dir={place.folder}/log-%p"
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    refused(place, [log, f"--attach={ended.pid}"], f"{ended.pid}.*(no such process|gone|not exist|no process)")
    refused(place, [log, "--attach=0"], "attach|process")
    refused(place, [log, "--attach=abc"], "attach.*abc|abc")
    sleeper = place.start(["-q", "/bin/sleep", "30"])
    place.control().close()
    tracee = wait_until(lambda: procs.descendants(sleeper.pid), 5, "sleep starts")[0]
    refused(place, [log, f"--attach={tracee}"], f"{tracee}.*traced")
    wait_until(lambda: procs.stat_fields(tracee)[:1] == ["S"], 5, "the tracee of the other session sleeps on")
    if os.geteuid() == 0 and shutil.which("setpriv"):
        other = place.start_native(["/bin/sleep", "30"])
        time.sleep(0.1)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", place.vsup]
        unreachable = subprocess.run(command + ["--version"], capture_output=True).returncode != 0
        if unreachable:
            print("skipped: vsup is not reachable for another user")
        else:
            os.chmod(place.folder, 0o777)
            refused(place, [f"--log-dir={place.folder}/log-%p", f"--attach={other.pid}"],
                    "not permitted|permission|another user|someone else|belongs", command=command)
        check(other.poll() is None, "the other user's process is harmed")


def denied(place):
    """ptrace forbidden by a seccomp filter, as in a container: the line says which setting."""
    script = """
import ctypes, os, struct, sys
def bpf(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
program = bpf(0x20, 0, 0, 0) + bpf(0x15, 0, 1, 101) + bpf(0x06, 0, 0, 0x00050000 | 1) + bpf(0x06, 0, 0, 0x7fff0000)
buffer = ctypes.create_string_buffer(program)
class Fprog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
fprog = Fprog(4, ctypes.cast(buffer, ctypes.c_void_p).value)
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(fprog), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
    refused(place, ["-c", script, place.vsup, f"--log-dir={place.log}", "/bin/true"], "ptrace.*(seccomp|container)",
            command=["/usr/bin/python3"])


def occupied(place):
    """An address range of the agent is in use in the process attached to: refused, and the process goes on."""
    script = "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n" \
             "p = libc.mmap(ctypes.c_void_p(0x270000000000), ctypes.c_size_t(4096), 3, 0x100022, -1, " \
             "ctypes.c_long(0))\n" \
             "assert p == 0x270000000000\nprint('ready', flush=True)\ninput()\nprint('unharmed')\n"
    process = place.start_native(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE)
    check(process.stdout.readline() == "ready\n", "python did not start")
    refused(place, [f"--log-dir={place.log}", f"--attach={process.pid}"], "occupied|in use|address")
    output, _ = process.communicate("\n", timeout=10)
    check(process.returncode == 0 and output == "unharmed\n", f"{process.returncode} {output!r}")


def client(place):
    """vctl without a session, with a bad option, with an unknown process."""
    refused(place, ["-i", "off"], "session", command=[place.vctl])
    refused(place, ["-i", "sideways"], "sideways", command=[place.vctl])
    refused(place, ["--no-such"], "no-such", command=[place.vctl])
    process = place.start(["-q", "/bin/sleep", "20"])
    place.control().close()
    refused(place, ["-i", "off", "999999"], "999999", command=[place.vctl])
    refused(place, ["-i", "off", "no-such-name"], "no-such-name", command=[place.vctl])
    refused(place, ["--session=1", "-i", "off"], "session", command=[place.vctl])
    check(process.poll() is None, "the session has ended")


def protocol(place):
    """Oversized and malformed lines get an error; the session goes on."""
    process = place.start(["-q", "/bin/sleep", "20"])
    place.control().close()
    path = control.find_socket(place.env["XDG_RUNTIME_DIR"])
    for line in (b"nonsense\n", b"[]\n", b"{}\n", b'{"id": 1}\n', b'{"id": 1, "request": "explode"}\n',
                 b'{"id": 1, "request": "toggle"}\n', b'{"id": 1, "request": "toggle", "on": "maybe"}\n',
                 b'{"id": [1], "request": "list"}\n', b"\xff\xfe\x00\n", b'{"id": 1, "request": "toggle", "on": true, '
                 b'"targets": 7}\n', b"x" * 200000 + b"\n", b'"' + b"[" * 60000 + b"\n", b"[" * 60000 + b"\n"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(path)
        file = connection.makefile("rb")
        check(b'"hello"' in file.readline(), "no hello")
        try:
            connection.sendall(line)
            answer = file.readline()
        except (BrokenPipeError, ConnectionResetError):
            answer = b"hung up"
        check(answer == b"hung up" or b'"error"' in answer, f"{line[:40]!r} is answered {answer!r}")
        connection.close()
    check(process.poll() is None, "the session has ended")
    status, output, errors = place.ctl("-l")
    check(status == 0 and "sleep" in output, f"vctl -l: {status} {output!r} {errors!r}")


def version_mismatch(place):
    """A session that speaks another version of the protocol: vctl says so."""
    folder = os.path.join(place.env["XDG_RUNTIME_DIR"], "vsup")
    os.mkdir(folder, 0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, f"{os.getpid()}.sock"))
    os.chmod(os.path.join(folder, f"{os.getpid()}.sock"), 0o600)
    listener.listen(5)
    pid = os.fork()
    if pid == 0:
        while True:
            connection, _ = listener.accept()
            connection.sendall(b'{"hello": "vsup", "protocol": 99, "version": "9", "pid": 1, "session": "/x"}\n')
    refused(place, ["-i", "off"], "protocol|version", command=[place.vctl])


def thirty_two_bit(place):
    """A 32-bit program runs native and the log says so; where the kernel runs none, vsup says that."""
    program = os.path.join(place.programs, "..", "victims", "engine", "thirty_two_bit")
    if not machine.runs_32_bit_code():
        refused(place, [program], "thirty_two_bit: a 32-bit program", {126})
        return
    status, output, errors = place.run(["-q", program])
    check(status == 0 and output == "32 bits\n", f"{status} {output!r} {errors!r}")
    records = place.check_complete()
    record = list(records.values())[0]
    check(record["mode"] == "not-traceable" or "32" in record.get("note", ""), f"record: {record}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (programs, options, unwritable, attach, denied, occupied, client, protocol,
                                          version_mismatch, thirty_two_bit)}, __doc__)
