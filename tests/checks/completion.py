#!/usr/bin/python3
"""The bash completions offer what vsup and vctl say they take: completion.py ROOT FOLDER_OF_PROGRAMS."""
import os
import subprocess
import sys

ROOT, PROGRAMS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

# What is typed, with the cursor at the end; what must be offered; what must not.
CASES = (
    ("vsup --trace-c", ["--trace-children=", "--trace-children-skip="], ["--tool="]),
    ("vsup --trace-children=", ["yes", "no"], []),
    ("vsup --smc-check=all-", ["all-non-file"], ["all"]),
    ("vsup --tool=", ["none"], []),
    ("vsup -q --attach ", [str(os.getpid())], []),
    ("vsup -q ech", ["echo"], []),
    ("vctl --", ["--list", "--instr=", "--session="], ["-l"]),
    ("vctl -i ", ["on", "off"], []),
    ("vctl --instr=o", ["on", "off"], []),
    ("vctl d", ["detach"], []),
    ("vctl r", ["report"], []),
    ("vctl s", ["snapshot"], []),
    ("vctl snapshot --d", ["--detailed"], []),
    ("vctl report /us", ["/usr"], []),
)

SCRIPT = """
compopt() { :; }
source "$1/completion/$2"
COMP_LINE=$3; COMP_POINT=${#3}
read -ra COMP_WORDS <<<"$3"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_$2
printf '%s\\n' "${COMPREPLY[@]}"
"""

problems = 0
env = dict(os.environ, PATH=PROGRAMS + ":" + os.environ["PATH"])
for line, wanted, unwanted in CASES:
    program = line.split()[0]
    result = subprocess.run(["bash", "--norc", "-c", SCRIPT, "bash", ROOT, program, line], env=env, capture_output=True,
                            text=True, timeout=20)
    offered = result.stdout.split()
    bad = [w for w in wanted if w not in offered] + [w for w in unwanted if w in offered]
    if bad or result.stderr:
        problems += 1
        print(f"{line!r}: wrong about {bad}, offered {offered[:20]}; {result.stderr.strip()}")
print(f"{len(CASES)} lines completed, {problems} problems")
sys.exit(1 if problems else 0)
