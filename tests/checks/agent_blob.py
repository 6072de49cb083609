#!/usr/bin/python3
"""Checks the agent's ELF: no undefined symbol, no constructor section, no relocation, no dynamic section or TLS, no
vector or x87 instruction, no use of the app's thread pointer, all segments within the blob's place in the arena.

Usage: agent_blob.py agent.elf
"""
import re
import subprocess
import sys

BASE, MAX_SIZE = 0x270000000000, 0x01000000
VECTOR = re.compile(r"%(xmm|ymm|zmm|mm[0-7]|st\b|k[0-7]\b)")
# These move state that belongs to the app as a whole, on purpose.
FORBIDDEN_SECTIONS = (".init_array", ".ctors", ".preinit_array", ".fini_array", ".dynamic", ".got.plt", ".tdata",
                      ".tbss", ".interp", ".eh_frame")
STATE = ("fxsave", "fxrstor", "xsave", "xrstor")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main():
    elf = sys.argv[1]
    problems = []
    for line in run("nm", "-u", elf).splitlines():
        problems.append("undefined symbol" + line)
    if "There are no relocations" not in run("readelf", "-rW", elf):
        problems.append("it has relocations")
    for line in run("readelf", "-SW", elf).splitlines():
        match = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)", line)
        if match and match.group(1) in FORBIDDEN_SECTIONS:
            problems.append("section " + match.group(1))
    for line in run("readelf", "-lW", elf).splitlines():
        fields = line.split()
        if fields and fields[0] in ("INTERP", "DYNAMIC", "TLS"):
            problems.append("program header " + fields[0])
        if fields and fields[0] == "LOAD":
            start, size = int(fields[2], 16), int(fields[5], 16)
            if start < BASE or start + size > BASE + MAX_SIZE:
                problems.append(f"segment at {start:#x}, {size:#x} bytes, lies outside the blob's place")
    function, instructions = "", 0
    for line in run("objdump", "-d", "--no-show-raw-insn", elf).splitlines():
        if line.endswith(">:"):
            function = line.split("<", 1)[1][:-2]
            continue
        parts = line.split("\t")
        if len(parts) < 2:
            continue
        instructions += 1
        text = parts[1].strip()
        if VECTOR.search(text) and not text.startswith(STATE):
            problems.append(f"{function}: {text}")
        if "%fs:" in text:
            problems.append(f"{function}: uses the app's thread pointer: {text}")
    for problem in problems[:50]:
        print(problem)
    print(f"{instructions} instructions checked, {len(problems)} problems")
    return 1 if problems or not instructions else 0


if __name__ == "__main__":
    sys.exit(main())
