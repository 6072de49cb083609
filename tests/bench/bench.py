#!/usr/bin/python3
"""Measures vsup against native runs, valgrind and heaptrack, paired in the same rounds, and prints a markdown table.

    bench.py --vsup build/bin/vsup [--tool none|callgrind|cachegrind|massif] [--rounds 5] [ROW...]

cachegrind simulates caches here; heaptrack stands beside massif.

A round runs each variant once, the next one in the opposite order, so that a change of the machine's speed meets all of
them alike. A ratio is the median of the rounds' ratios, a time the median of their times. Rows whose program is missing
are left out, and named at the end. A missed target is marked.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import control  # noqa: E402

PYTHON = "/usr/bin/python3"
PYTHON_MIX = """
import json, re, random, math
random.seed(1)
data = {"k%d" % i: [random.random() for _ in range(4)] for i in range(10000)}
text = json.dumps(data)
for _ in range(2):
    json.loads(text)
print(len(re.findall(r"k\\d+", text)), len(re.sub(r"\\d\\.\\d+", "x", text)))
x = 0.0
for i in range(1, 1350000):
    x += math.sqrt(i) * 0.5 - i / 3.0
print(x)
print(sum(sorted(random.randrange(10**6) for _ in range(150000))[::7]))
"""
MAPS = r"""
#include <cstdio>
#include <map>
#include <string>
#include <vector>
int main() {
  std::map<std::string, std::vector<int>> m;
  for (int i = 0; i < 140000; ++i) m["key number " + std::to_string(i * 7919 % 60013)].push_back(i);
  size_t n = 0;
  for (int round = 0; round < 12; ++round)
    for (auto& [k, v] : m) n += m.find(k)->second.size();
  for (auto& [k, v] : m) n += v.size() * k.size();
  std::printf("%zu %zu\n", m.size(), n);
}
"""
SMALL_CPP = r"""
#include <algorithm>
#include <string>
#include <vector>
std::vector<std::string> words(int n) {
  std::vector<std::string> v;
  for (int i = 0; i < n; ++i) v.push_back(std::to_string(i * 31 % 1009));
  std::sort(v.begin(), v.end());
  return v;
}
"""
SIGNALS = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static volatile long n;
static void handler(int s) { ++n; }
int main(int argc, char** argv) {
  signal(SIGUSR1, handler);
  long count = atol(argv[1]);
  struct timespec a, b;
  for (int i = 0; i < 100; ++i) raise(SIGUSR1);
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (long i = 0; i < count; ++i) raise(SIGUSR1);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.3f\n", ((b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3) / count);
}
"""
THREADS = r"""
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static volatile int stop;
static void* work(void* p) {
  volatile double x = 0;
  while (!stop) x = x * 0.5 + 1;
  return 0;
}
int main(int argc, char** argv) {
  pthread_t t[3];
  for (int i = 0; i < 3; ++i) pthread_create(&t[i], 0, work, 0);
  usleep(atoi(argv[1]) * 1000);
  stop = 1;
  for (int i = 0; i < 3; ++i) pthread_join(t[i], 0);
}
"""


PAIRS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static void* volatile block;
__attribute__((noinline)) static void pairs(long n) {
  for (long i = 0; i < n; ++i) {
    block = malloc(64);
    free(block);
  }
}
__attribute__((noinline)) static int deeper(int depth, long n) {
  if (depth == 0) pairs(n);
  else deeper(depth - 1, n);
  return depth + (block != 0);
}
int main(int argc, char** argv) {
  struct timespec a, b;
  long n = atol(argv[1]);
  deeper(12, n / 10);
  clock_gettime(CLOCK_MONOTONIC, &a);
  deeper(12, n);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.1f\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / n);
}
"""
# What the tools are given beside their names.
TOOL_OPTIONS = {"cachegrind": ["--cache-sim=yes"]}


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = tempfile.mkdtemp(prefix="vsup-bench-")
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.folder, XDG_STATE_HOME=self.folder, LC_ALL="C.UTF-8")
        self.logs = 0
        self.missing = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def compile(self, name, source, *flags):
        file = self.path(name + (".cpp" if "std::" in source else ".c"))
        with open(file, "w", encoding="utf-8") as f:
            f.write(source)
        compiler = "g++" if file.endswith("cpp") else "gcc"
        subprocess.run([compiler, "-O2", "-w", "-pthread", *flags, file, "-o", self.path(name)], check=True)
        return self.path(name)

    def vsup(self, *options):
        self.logs += 1
        return [self.args.vsup, "-q", f"--tool={self.args.tool}", f"--log-dir={self.path('log')}{self.logs}",
                *TOOL_OPTIONS.get(self.args.tool, []), *options]

    def valgrind(self, *options):
        files = [f"--{self.args.tool}-out-file={self.path('valgrind.%p')}"] if self.args.tool != "none" else []
        return ["valgrind", "-q", f"--tool={self.args.tool}", *files, *TOOL_OPTIONS.get(self.args.tool, []), *options]

    def heaptrack(self):
        return ["heaptrack", "-o", self.path("heaptrack")]

    def seconds(self, command):
        started = time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              env=self.env, cwd=self.folder)
        taken = time.monotonic() - started
        if done.returncode != 0:
            print(f"status {done.returncode} of {' '.join(command)}: {done.stderr.decode()[-300:]}", file=sys.stderr)
            return None
        return taken

    def paired(self, command, children=False, valgrind=True, rounds=None):
        """For {native, vsup, off, valgrind, heaptrack} the median of seconds, and of the ratio to native in the same
        round; None where a run failed."""
        option = ["--trace-children=yes"] if children else []
        prefixes = {"native": lambda: [], "vsup": lambda: self.vsup(*option),
                    "off": lambda: self.vsup("--instr-atstart=no", *option)}
        if valgrind and self.args.valgrind:
            prefixes["valgrind"] = lambda: self.valgrind(*option)
        if self.args.heaptrack:
            prefixes["heaptrack"] = self.heaptrack
        times = {name: [] for name in ("native", "vsup", "off", "valgrind", "heaptrack")}
        ratios = {name: [] for name in times}
        for number in range(rounds or self.args.rounds):
            taken = {}
            for name in list(prefixes) if number % 2 == 0 else reversed(prefixes):
                if name != "valgrind" or number < 2:  # slow and steady: two are enough
                    taken[name] = self.seconds(prefixes[name]() + command)
                    times[name].append(taken[name])
            for name, value in taken.items():
                ratios[name].append(value and taken["native"] and value / taken["native"])
        return ({name: statistics.median(values) if values and None not in values else None
                 for name, values in table.items()} for table in (times, ratios))

    # Rows: each returns (work, native, vsup, off, valgrind, target) as text, or None if it cannot run here.
    def work(self, title, command, targets, milliseconds=False, **kwargs):
        t, ratio = self.paired(command, **kwargs)
        native = t["native"]

        def cell(name):
            if t[name] is None:
                return "failed" if name in ("vsup", "off") or getattr(self.args, name) else "-"
            return f"{t[name] * 1e3:.1f} ms" if milliseconds else f"{ratio[name]:.2f}x"
        limit = targets.get(self.args.tool)
        if limit is None:
            target, missed = "-", False
        elif milliseconds:
            target, missed = f"{limit} ms", t["vsup"] is None or t["vsup"] * 1e3 > limit
        else:
            target, missed = f"{limit}x", ratio["vsup"] is None or ratio["vsup"] > limit
        return (f"{title} ({native:.3f} s)", cell("vsup"), cell("off"), cell("valgrind"),
                target + (" missed" if missed else ""), cell("heaptrack"))

    def data(self, megabytes):
        file = self.path(f"data{megabytes}")
        if not os.path.exists(file):
            with open(file, "w", encoding="ascii") as f:
                written = i = 0
                while written < megabytes * 1000000:
                    written += f.write(f"{i * 7919 % 1000003:x} {i}\n")
                    i += 1
        return file

    def bzip2(self):
        if not shutil.which("bzip2"):
            return None
        return self.work("bzip2 -9 of 12 MB", ["bzip2", "-9", "-k", "-c", self.data(12)],
                         {"none": 1.05, "callgrind": 2.2, "cachegrind": 8})

    def xz(self):
        return self.work("xz -T2 -1 of 30 MB", ["xz", "-T2", "-1", "--block-size=2000000", "-c", self.data(30)],
                         {"none": 1.15, "callgrind": 2.2})

    def maps(self):
        return self.work("C++ map and strings", [self.compile("maps", MAPS)], {"none": 1.4, "massif": 1.4})

    def python(self):
        return self.work("python3: json, re, float loops, sort", [PYTHON, "-c", PYTHON_MIX],
                         {"none": 2, "callgrind": 4, "massif": 1.6})

    def gxx(self):
        file = self.path("small.cpp")
        with open(file, "w", encoding="utf-8") as f:
            f.write(SMALL_CPP)
        return self.work("g++ -O2 -c of a small file, children followed",
                         ["g++", "-O2", "-c", file, "-o", self.path("small.o")], {"none": 3}, children=True)

    def python_pass(self):
        return self.work("python3 -c pass", [PYTHON, "-c", "pass"],
                         {"none": 120, "callgrind": 200}, milliseconds=True)

    def true(self):
        return self.work("/bin/true, whole session", ["/bin/true"], {"none": 15}, milliseconds=True,
                         rounds=self.args.rounds * 3)

    def sage(self):
        if subprocess.run([PYTHON, "-c", "import sage.version"], capture_output=True).returncode != 0:
            return None
        return self.work("python3 -c 'from sage.all import *'", [PYTHON, "-c", "from sage.all import *"],
                         {"none": 2.5, "callgrind": 4.5, "cachegrind": 8, "massif": 2000},
                         milliseconds=self.args.tool == "massif")

    def signal(self):
        program = self.compile("signals", SIGNALS)
        figures = {}
        for name in ("native", "vsup", "off", "valgrind"):
            values = []
            for _ in range(self.args.rounds):
                prefix = {"native": [], "vsup": self.vsup(), "off": self.vsup("--instr-atstart=no"),
                          "valgrind": self.valgrind()}[name]
                if name != "valgrind" or self.args.valgrind:
                    done = subprocess.run(prefix + [program, "20000"], capture_output=True, text=True, env=self.env,
                                          check=True)
                    values.append(float(done.stdout))
            if values:
                figures[name] = statistics.median(values)
        missed = " missed" if figures["vsup"] > 40 else ""
        return (f"a signal to a thread ({figures['native']:.2f} us)", f"{figures['vsup']:.1f} us",
                f"{figures['off']:.1f} us",
                f"{figures['valgrind']:.1f} us" if "valgrind" in figures else "-", "40 us" + missed)

    def pair(self):
        program = self.compile("pairs", PAIRS)
        figures = {}
        for name, prefix in (("native", []), ("vsup", self.vsup()), ("off", self.vsup("--instr-atstart=no"))):
            values = [float(subprocess.run(prefix + [program, "1000000"], capture_output=True, text=True, env=self.env,
                                           check=True).stdout) for _ in range(self.args.rounds)]
            figures[name] = statistics.median(values)
        missed = " missed" if figures["vsup"] > 250 else ""
        return (f"malloc and free with a 15-frame stack ({figures['native']:.0f} ns)", f"{figures['vsup']:.0f} ns",
                f"{figures['off']:.0f} ns", "-", "250 ns" + missed, "-")

    def toggle(self):
        program = self.compile("threads", THREADS)
        process = subprocess.Popen(self.vsup() + [program, "4000"], env=self.env)
        toggler = control.Toggler(self.folder, 0.02)
        toggler.start()
        process.wait()
        toggler.stop()
        median = statistics.median(toggler.milliseconds) if toggler.milliseconds else float("nan")
        return ("a toggle of a 4-thread process, median", f"{median:.2f} ms", "-", "-",
                "5 ms" + ("" if median <= 5 else " missed"))

    def memory(self):
        def resident(command):
            script = "import json, re, time; json.dumps(list(range(1000))); " \
                     "print(sum(int(l.split()[1]) for l in open('/proc/self/smaps_rollup') if l.startswith('Rss')))"
            return int(subprocess.run(command + [PYTHON, "-c", script], capture_output=True, text=True, env=self.env,
                                      check=True).stdout) / 1024
        native, here = resident([]), resident(self.vsup())
        off = resident(self.vsup("--instr-atstart=no"))
        other = f"+{resident(self.valgrind()) - native:.0f} MB" if self.args.valgrind else "-"
        added = here - native
        return (f"memory added to python3 ({native:.0f} MB)", f"+{added:.1f} MB", f"+{off - native:.1f} MB", other,
                "+20 MB" + ("" if added <= 20 else " missed"))

    ROWS = ("bzip2", "xz", "maps", "python", "gxx", "python_pass", "sage", "true", "pair", "toggle", "signal",
            "memory")

    def run(self):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            model = re.search(r"model name\s*: (.*)", f.read()).group(1)
        rows = []
        for name in self.args.row or self.ROWS:
            print(f"measuring {name}", file=sys.stderr)
            row = getattr(self, name)()
            if row:
                rows.append(row)
            else:
                self.missing.append(name)
        print(f"{model}, {os.cpu_count()} processors, kernel {os.uname().release}; "
              f"medians of {self.args.rounds} rounds\n")
        tool = self.args.tool
        columns = ["work (native)", f"vsup --tool={tool}", "switched off", f"valgrind --tool={tool}", "target"]
        columns += ["heaptrack"] if self.args.heaptrack else []
        print("| " + " | ".join(columns) + " |")
        print("|---" * len(columns) + "|")
        for row in rows:
            print("| " + " | ".join((*row, "-")[:len(columns)]) + " |")
        if self.missing:
            print(f"\nNot measured, the program is not installed: {', '.join(self.missing)}")
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--tool", default="none", choices=["none", "callgrind", "cachegrind", "massif"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-valgrind", dest="valgrind", action="store_false")
    parser.add_argument("row", nargs="*", help=f"rows to measure: {', '.join(Bench.ROWS)}")
    args = parser.parse_args()
    args.vsup = os.path.abspath(args.vsup)
    args.valgrind = args.valgrind and shutil.which("valgrind") is not None
    args.heaptrack = args.tool == "massif" and shutil.which("heaptrack") is not None
    Bench(args).run()


if __name__ == "__main__":
    main()
