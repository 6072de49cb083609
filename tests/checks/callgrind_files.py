#!/usr/bin/python3
"""Checks that Valgrind's own programs read what the callgrind writers write, and find the same totals.

Usage: callgrind_files.py UNIT_TESTS. Exit status 77 (skipped) without the programs.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ("callgrind_annotate", "cg_annotate", "cg_diff", "cg_merge")


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    complaint = re.sub(r"(?m)^cg_merge: (parsing|merging|writing) .*$", "", result.stderr).strip()
    if result.returncode or complaint:
        raise SystemExit(f"{' '.join(command)}: status {result.returncode}: {complaint[:2000]}")
    return result.stdout


def totals_of(report):
    """The numbers of the line PROGRAM TOTALS."""
    for line in report.splitlines():
        if line.endswith("PROGRAM TOTALS"):
            line = re.sub(r"\([^)]*\)", "", line)
            return [int(word.replace(",", "")) for word in line.split()[:-2]]
    raise SystemExit("no line PROGRAM TOTALS")


def self_sum(report):
    """The sum of the first column over all functions."""
    total, seen = 0, False
    for line in report.splitlines():
        if "file:function" in line:
            seen = True
            continue
        match = re.match(r"\s*([\d,]+) \(", line)
        if seen and match:
            total += int(match.group(1).replace(",", ""))
    return total


def main():
    unit_tests = sys.argv[1]
    if not all(shutil.which(program) for program in PROGRAMS):
        print("Valgrind's programs are not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VSUP_CALLGRIND_FILES"] = folder
        subprocess.run([unit_tests, "-tc=callgrind: files for the check*"], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "totals"), encoding="utf-8") as f:
            expected = [int(word) for word in f.read().split()]
        by_thread = [0] * len(expected)
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if not name.startswith("callgrind.out"):
                continue
            report = run("callgrind_annotate", "--threshold=100", "--auto=no", path)
            totals = totals_of(report)
            if self_sum(report) != totals[0]:
                raise SystemExit(f"{name}: functions sum to {self_sum(report)}, not {totals[0]}")
            run("callgrind_annotate", "--inclusive=yes", "--tree=both", "--auto=no", path)
            if name.startswith("callgrind.out.threads-"):
                by_thread = [a + b for a, b in zip(by_thread, totals)]
            elif totals != expected:
                raise SystemExit(f"{name}: totals {totals}, not {expected}")
        if by_thread != expected:
            raise SystemExit(f"threads sum to {by_thread}, not {expected}")
        cachegrind = os.path.join(folder, "cachegrind.out.1")
        if totals_of(run("cg_annotate", "--auto=no", cachegrind)) != expected:
            raise SystemExit("cg_annotate finds other totals")
        merged, difference = os.path.join(folder, "merged"), os.path.join(folder, "difference")
        run("cg_merge", "-o", merged, cachegrind, cachegrind)
        if totals_of(run("cg_annotate", "--auto=no", merged)) != [2 * total for total in expected]:
            raise SystemExit("cg_merge does not double the totals")
        with open(difference, "w", encoding="utf-8") as f:
            f.write(run("cg_diff", cachegrind, merged))
        if totals_of(run("cg_annotate", "--auto=no", difference)) != expected:
            raise SystemExit("cg_diff of the doubled file is not the file")
        print("totals", *expected)
    return 0


if __name__ == "__main__":
    sys.exit(main())
