#!/usr/bin/python3
"""Terminal signals and job control: an interactive shell on a pseudo terminal stops, continues, interrupts and waits
for programs; what it shows is the same with vsup before the programs as without."""
import argparse
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

INTERRUPT, SUSPEND, END_OF_FILE = "\x03", "\x1a", "\x04"


class Terminal:
    def __init__(self):
        self.shown = b""
        pid, self.terminal = pty.fork()
        fcntl.ioctl(self.terminal if pid else 0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 400, 0, 0))
        if pid == 0:
            os.environ["PS1"] = "$ "
            os.environ["TERM"] = "dumb"
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])

    def read(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self.terminal, 65536)
                except OSError:
                    return

    def send(self, text, seconds=0.7):
        os.write(self.terminal, text.encode())
        self.read(seconds)


def session(prefix):
    terminal = Terminal()
    send = terminal.send
    terminal.read(0.5)
    send(prefix + "sleep 100\n", 1.2)
    for line in (SUSPEND, "jobs\n", "fg\n", INTERRUPT, "echo status=$?\n"):
        send(line)
    send(prefix + "cat\n", 1.2)
    for line in ("one\n", SUSPEND, "fg\n", "two\n", END_OF_FILE, "echo status=$?\n"):
        send(line)
    send(prefix + "cat &\n", 1.2)  # stopped by SIGTTIN
    for line in ("\n", "fg\n", "three\n", END_OF_FILE, "echo status=$?\n"):
        send(line)
    send(prefix + "sh -c 'trap \"echo interrupted; exit 5\" INT; while :; do sleep 0.1; done'\n", 1.5)
    send(INTERRUPT, 1.2)
    send("echo status=$?\n")
    send("exit\n")
    text = terminal.shown.decode(errors="replace").replace(prefix, "").replace("\r", "")
    lines = [re.sub(r"\[1\] \d+", "[1] PID", line).strip() for line in text.split("\n")]
    # Of a job in the background bash tells before the next prompt or the one after it, as it happens to hear of it.
    return [line for line in lines if line not in ("", "$")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--vctl")
    parser.add_argument("--programs")
    options = parser.parse_args()
    native, traced = session(""), session(options.vsup + " -q --tool=none ")
    if native == traced:
        print("the same", len(native), "lines")
        return 0
    print("--- native", *native, "--- under vsup", *traced, sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
