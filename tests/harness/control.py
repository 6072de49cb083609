"""A client of vsup's control socket for the tests: quicker than starting vctl for each request.

Assumes: at most one session below the given runtime directory.
"""
import glob
import json
import os
import socket
import stat
import threading
import time


def find_socket(runtime_dir):
    """Path of the live session's control socket below `runtime_dir`, or None. A killed session leaves a dead one."""
    for path in sorted(glob.glob(os.path.join(runtime_dir, "**", "*"), recursive=True)):
        try:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                    probe.connect(path)
                return path
        except OSError:
            pass
    return None


class Refused(Exception):
    """The session answered with an error."""


class Session:
    """One connection; requests one after the other."""

    def __init__(self, path, timeout=20.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile("rwb")
        self.next_id = 1
        self.hello = json.loads(self.file.readline())

    def close(self):
        for end in (self.file, self.socket):
            try:
                end.close()
            except OSError:  # what was not yet sent to a session that has ended
                pass

    def request(self, name, **fields):
        """Sends a request and returns its reply (a dictionary); raises Refused for an error reply."""
        request_id = self.next_id
        self.next_id += 1
        self.file.write(json.dumps({"id": request_id, "request": name, **fields}).encode() + b"\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError("the session has closed the connection")
            reply = json.loads(line)
            if reply.get("id") != request_id or "progress" in reply:
                continue
            if "error" in reply:
                raise Refused(f"{reply['error'].get('code')}: {reply['error'].get('message')}")
            return reply

    def toggle(self, on, **fields):
        return self.request("toggle", on=on, **fields)


class Toggler(threading.Thread):
    """Switches instrumentation off and on every `seconds` until stopped or the session ends."""

    def __init__(self, runtime_dir, seconds):
        super().__init__(daemon=True)
        self.runtime_dir = runtime_dir
        self.seconds = seconds
        self.stopping = threading.Event()
        self.done = 0
        self.milliseconds = []
        self.problem = "no session socket appeared"

    def run(self):
        session = None
        while not self.stopping.is_set() and session is None:
            path = find_socket(self.runtime_dir)
            if path:
                try:
                    session = Session(path)
                except (OSError, ValueError) as error:
                    self.problem = str(error)
            if session is None:
                time.sleep(0.001)
        on = False
        while not self.stopping.is_set():
            try:
                started = time.monotonic()
                session.toggle(on)
                self.milliseconds.append((time.monotonic() - started) * 1e3)
            except Refused as error:
                self.problem = str(error)
            except (OSError, ValueError) as error:
                self.problem = str(error)
                break
            else:
                self.done += 1
            on = not on
            self.stopping.wait(self.seconds)
        if session:
            session.close()

    def stop(self):
        self.stopping.set()
        self.join(5)
