#!/usr/bin/python3
"""Measures leak checks of heaps of 1 GiB: how long the program stands still, and how long until the answer.

    leak_scan.py --vsup build/bin/vsup --vctl build/bin/vctl [--rounds 3] [--megabytes 1024] [SIZE ...]

SIZE is the blocks' average size in bytes. Each block points to its neighbour in a list and to another one at random,
the rest of it is numbers. Prints a markdown table of medians.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HEAP = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char** argv) {
  size_t total = strtoull(argv[1], NULL, 10) << 20, size = strtoull(argv[2], NULL, 10), count = total / size;
  void*** blocks = malloc(count * sizeof *blocks);
  unsigned long long random = 1;
  for (size_t i = 0; i < count; ++i) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    size_t bytes = size / 2 + (random >> 33) % size;
    if (bytes < 16) bytes = 16;
    blocks[i] = malloc(bytes);
    for (size_t word = 0; word < bytes / 8; ++word) blocks[i][word] = (void*)(word * i);
    blocks[i][0] = i > 0 ? (void*)blocks[i - 1] : NULL;
    blocks[i][1] = (void*)blocks[(random >> 20) % (i + 1)];
  }
  static void** kept;
  kept = blocks[count - 1];
  free(blocks);
  printf("ready\n");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return kept == NULL;
}
"""


def measure(arguments, program, size):
    """Medians of (milliseconds stopped, seconds to the answer), and the number of blocks."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        os.mkdir(os.path.join(folder, "run"), 0o700)
        env = dict(os.environ, XDG_RUNTIME_DIR=os.path.join(folder, "run"))
        vsup = subprocess.Popen([arguments.vsup, "-q", "--tool=leaks", "--leak-check=no", f"--log-dir={log}", program,
                                 str(arguments.megabytes), str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, env=env)
        try:
            vsup.stdout.readline()
            pauses, waits, blocks = [], [], 0
            for _ in range(arguments.rounds):
                start = time.monotonic()
                answer = subprocess.run([arguments.vctl, "leaks", "--json", "--summary"], capture_output=True,
                                        text=True, check=True, env=env)
                waits.append(time.monotonic() - start)
                result = json.loads(answer.stdout)["processes"][0]["result"]
                pauses.append(result["milliseconds"])
                blocks = result["blocks"]
                if result["definite"]["blocks"] + result["possible"]["blocks"] > 8:
                    sys.exit(f"blocks of {size} bytes: some are lost: {result}")
            return statistics.median(pauses), statistics.median(waits), blocks
        finally:
            vsup.stdin.close()
            vsup.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--vctl", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("sizes", nargs="*", type=int, default=[64, 256, 4096, 1 << 20])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "heap.c"), os.path.join(folder, "heap")
        with open(source, "w", encoding="utf-8") as f:
            f.write(HEAP)
        subprocess.run(["gcc", "-O2", "-w", "-o", program, source], check=True)
        print(f"| leak check of {arguments.megabytes} MiB, blocks of | blocks | stopped | answer |\n|---|---|---|---|")
        for size in arguments.sizes:
            pause, wait, blocks = measure(arguments, program, size)
            print(f"| {size} bytes | {blocks:,} | {pause / 1000:.2f} s | {wait:.2f} s |", flush=True)


if __name__ == "__main__":
    main()
