#!/usr/bin/python3
"""Runs clang-tidy over our sources with the findings of .clang-tidy. It is slow, and no test: `ninja -C build tidy`.

Usage: tidy.py ROOT BUILD [PATTERN]. PATTERN, a regular expression, chooses files by their path from the root.
"""
import json
import os
import re
import subprocess
import sys

# What gcc knows and clang does not, by how it begins.
UNKNOWN = ("-fno-tree-loop-distribute-patterns", "-fno-fat-lto-objects", "-mmemcpy-strategy=", "-mmemset-strategy=")


def main():
    root, build = (os.path.abspath(path) for path in sys.argv[1:3])
    pattern = sys.argv[3] if len(sys.argv) > 3 else "^(agent|supervisor|ctl|protocol)/"
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    chosen = {}
    for entry in commands:
        name = os.path.relpath(entry["file"], root)
        if not name.endswith(".cpp") or not re.search(pattern, name):
            continue
        words = [word for word in entry["command"].split(" ") if not word.startswith(UNKNOWN) and word != "ccache"]
        words.insert(1, "-fconstexpr-steps=100000000")  # the decoder's tables
        chosen[name] = {**entry, "command": " ".join(words)}
    folder = os.path.join(build, "tidy")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as f:
        json.dump(list(chosen.values()), f)
    found = 0
    for number, name in enumerate(sorted(chosen), 1):
        print(f"[{number}/{len(chosen)}] {name}", flush=True)
        done = subprocess.run(["clang-tidy", "--quiet", "-p", folder, os.path.join(root, name)], capture_output=True,
                              text=True, check=False)
        text = done.stdout.strip()
        if text:
            print(text, flush=True)
        elif done.returncode != 0:
            print(done.stderr.strip())
        found += done.returncode != 0 or bool(text)
    print(f"{len(chosen)} files, {found} with findings")
    return 1 if found or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
