#!/usr/bin/python3
"""The C++ code is formatted as .clang-format says: format.py ROOT. Exit status 77 where there is no clang-format."""
import os
import shutil
import subprocess
import sys

PARTS = ("protocol", "agent", "supervisor", "ctl", "tests/unit", "tests/differential", "tests/fuzz")


def main():
    root = os.path.abspath(sys.argv[1])
    if shutil.which("clang-format") is None:
        print("skipped: there is no clang-format")
        return 77
    files = []
    for part in PARTS:
        for folder, _, names in os.walk(os.path.join(root, part)):
            files += [os.path.join(folder, name) for name in names if name.endswith((".h", ".cpp"))]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *sorted(files)], cwd=root, capture_output=True,
                          text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "clang-format-violations" in line})
    for name in wrong:
        print(os.path.relpath(name, root) + " is not formatted: clang-format -i")
    print(f"{len(files)} files checked, {len(wrong)} problems")
    return 1 if wrong or done.returncode != 0 or not files else 0


if __name__ == "__main__":
    sys.exit(main())
