"""What the tests need to know about processes: the tree below us, its state for a timeout, and its end.

Promises: only processes below the caller are looked at or ended, each by its id.
"""
import ctypes
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans of what we start become our children, so that none escapes and none is left behind unseen."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def read(path, default=""):
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except OSError:
        return default


def stat_fields(pid):
    """Fields of /proc/PID/stat after the name: [0] state, [1] parent."""
    text = read(f"/proc/{pid}/stat")
    return text[text.rfind(")") + 2:].split() if text else []


def descendants(root=None):
    """Ids of all live processes below `root` (default: this one), parents first."""
    root = root or os.getpid()
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(name)
            if len(fields) > 1:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, queue = [], [root]
    while queue:
        for child in children.get(queue.pop(0), []):
            found.append(child)
            queue.append(child)
    return found


def describe(pid):
    """State, wait channel, system call and kernel stack of each thread of a process, as text."""
    lines = []
    command = read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    lines.append(f"--- process {pid}: {command}")
    try:
        tids = sorted(int(t) for t in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return "\n".join(lines + ["    gone"])
    for tid in tids[:16]:
        base = f"/proc/{pid}/task/{tid}"
        wanted = ("Name", "State", "TracerPid", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")
        status = [line for line in read(base + "/status").splitlines() if line.split(":")[0] in wanted]
        lines.append(f"  thread {tid}: " + ", ".join(" ".join(line.split()) for line in status))
        lines.append(f"    wchan {read(base + '/wchan').strip()}  syscall {read(base + '/syscall').strip()}")
        stack = read(base + "/stack").strip()
        if stack:
            lines.append("    " + stack.replace("\n", "\n    "))
    if len(tids) > 16:
        lines.append(f"  and {len(tids) - 16} more threads")
    return "\n".join(lines)


def describe_tree():
    return "\n".join(describe(pid) for pid in descendants())


def reap():
    """Collects children that have ended and that nobody waits for."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def wait(process, seconds):
    """Waits as process.wait() does, and collects orphans that end meanwhile: daemons watch for that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            time.sleep(0.005)
        elif ended.si_pid == process.pid:
            break
        else:
            os.waitpid(ended.si_pid, 0)
    return process.wait(max(0.0, deadline - time.monotonic()))


def end_descendants(seconds=5.0):
    """Kills everything below this process, each by its id, and returns what there was."""
    everything = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        reap()
        left = [pid for pid in descendants() if stat_fields(pid)[:1] not in ([], ["Z"])]
        if not left:
            return everything
        for pid in left:
            if pid not in everything:
                everything.append(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    return everything


def arena_lines(pid):
    """Lines of /proc/PID/maps that lie in the agent's arena."""
    found = []
    for line in read(f"/proc/{pid}/maps").splitlines():
        start = int(line.split("-")[0], 16)
        if 0x270000000000 <= start < 0x270200000000:
            found.append(line)
    return found
