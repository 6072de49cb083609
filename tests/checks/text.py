#!/usr/bin/python3
"""Checks the text of every file of ours: no unfinished work, no line over 120 columns, no tab or trailing blank in
code, a purpose line at the head of each unit (in its header, if it has one).

Usage: text.py ROOT. Prints each finding; exit status 1 if there is one.
"""
import os
import re
import subprocess
import sys

UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
CODE = (".h", ".cpp", ".c", ".S", ".def", ".inc", ".py", ".sh", ".lds")
PURPOSE = (".h", ".cpp")


def files(root):
    try:
        command = ["git", "-C", root, "ls-files", "-co", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listed = []
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if not f.startswith((".git", "build"))]
            listed += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(f for f in listed if os.path.isfile(os.path.join(root, f)))


def main():
    root = sys.argv[1]
    problems, seen = [], 0
    for name in files(root):
        with open(os.path.join(root, name), "rb") as f:
            raw = f.read()
        if b"\0" in raw or "/corpus/" in name or "/golden/" in name:
            continue
        seen += 1
        lines = raw.decode("utf-8", "replace").split("\n")
        if name.startswith("tests/real/scripts/"):
            continue
        code = name.endswith(CODE)
        wide = name.startswith("tests/victims/") or name.endswith(".inc")  # assembler in strings, tables
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                problems.append(f"{name}:{number}: unfinished: {line.strip()[:80]}")
            if code and len(line) > 120 and not wide:
                problems.append(f"{name}:{number}: {len(line)} columns")
            if code and line != line.rstrip():
                problems.append(f"{name}:{number}: blank at the end of the line")
            if code and "\t" in line and not name.endswith((".S", ".lds")):
                problems.append(f"{name}:{number}: tab")
        if code and raw and not raw.endswith(b"\n"):
            problems.append(f"{name}: no newline at the end")
        has_header = name.endswith(".cpp") and os.path.exists(os.path.join(root, name[:-4] + ".h"))
        headed = lines[0].startswith(("// ", "#pragma once")) or has_header
        if name.endswith(PURPOSE) and not name.startswith("tests/") and not headed:
            problems.append(f"{name}: the first line does not say what the file is for")
    for problem in problems:
        print(problem)
    print(f"{seen} files checked, {len(problems)} problems")
    return 1 if problems or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
