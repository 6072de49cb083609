#!/usr/bin/python3
"""10,000 forks of a program whose threads allocate, under massif: no child waits for ever, each has its own files."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402


def forks(place):
    status, output, errors = place.run(["-q", "--tool=massif", os.path.join(place.programs, "heap_forks")], timeout=540)
    check(status == 0 and output == "10000 children\n", f"status {status}: {output}{errors}")
    files = glob.glob(os.path.join(place.log, "*", "massif.out.*"))
    check(len(files) == 10001, f"{len(files)} files")


session.main({"forks": forks}, __doc__)
