#!/usr/bin/python3
"""What the leaks tool says of Python programs: what a C extension loses is reported, with the Python functions that
called it, and nothing else is lost: neither objects in use nor what the interpreter and its library keep.
"""
import glob
import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402

PYTHON = "/usr/bin/python3"
MANY_THREADS = """\
import os, sys, threading, time
reader, _ = os.pipe()
lock = threading.Lock()
lock.acquire()
kept, cache = [str(n) * 3 for n in range(100000)], []
def grow():
    for line in sys.stdin:
        cache.extend([bytes(1000) for n in range(100)])
        print("grown", flush=True)
def busy():
    while True: pass
def blocked():
    os.read(reader, 1)
for n in range(96):
    threading.Thread(target=[blocked, lock.acquire, lambda: time.sleep(1000)][n % 3], daemon=True).start()
for n in range(3):
    threading.Thread(target=busy, daemon=True).start()
print("ready", flush=True)
grow()
print(threading.active_count(), len(cache), flush=True)
os._exit(0)
"""
RECORD = re.compile(r"([\d,]+)(?: \([^)]*\))? bytes in ([\d,]+) blocks are (definitely|indirectly|possibly) lost in "
                    r"[^\n]*\n((?:   (?:at|by) [^\n]*\n)+)")
SUM = re.compile(r"(definitely|indirectly|possibly) lost: ([\d,]+) bytes in ([\d,]+) blocks")

PLANTED = """\
import leaky_extension
def raw():
    leaky_extension.lose_raw()
def memory():
    leaky_extension.lose_memory()
def an_object():
    for _ in range(10): leaky_extension.lose_object()
def a_reference():
    for i in range(5): leaky_extension.lose_reference(b"%50d" % i)
raw(); memory(); an_object(); a_reference()
leaky_extension.keep([bytes(50), {"a": object()}, type("T", (), {})()])
print("planted")
"""
# Bytes, blocks, kind, functions of the stack in the order of calls, innermost first.
LOST = [
    (48 + 1000, 1, "definitely", ["malloc", "lose_raw", "raw:3"]),
    (1000, 1, "indirectly", ["malloc", "lose_raw", "raw:3"]),
    (72, 1, "definitely", ["PyObject_Malloc", "lose_memory", "memory:5"]),
    (200, 1, "definitely", ["PyObject_Malloc", "lose_memory", "memory:5"]),
    (3000, 1, "definitely", ["PyObject_Calloc", "lose_memory", "memory:5"]),
    (10 * 133, 10, "definitely", ["PyObject_Malloc", "PyBytes_FromStringAndSize", "lose_object", "an_object:7"]),
    (5 * 83, 5, "definitely", ["a_reference:9"]),
]

COLLECTED = """\
import leaky_extension
class Node:
    pass
def lists():
    for i in range(500): leaky_extension.lose_reference([i])
def nodes():
    for i in range(500): leaky_extension.lose_reference(Node())
def cycle():
    one, other = [], []
    one.append(other); other.append(one)
lists(); nodes(); cycle()
leaky_extension.keep([Node() for i in range(500)])
"""

LIBRARY = """\
import array, ast, asyncio, bz2, collections, concurrent.futures, copy, csv, ctypes, dataclasses, datetime, decimal
import enum, functools, gc, gzip, hashlib, inspect, io, itertools, json, logging, lzma, pickle, random, re, sqlite3
import ssl, statistics, struct, subprocess, tempfile, threading, typing, unittest, uuid, weakref, xml.dom.minidom, zlib
async def number(n):
    await asyncio.sleep(0)
    return n
async def numbers():
    return sum(await asyncio.gather(*[number(i) for i in range(20)]))
@dataclasses.dataclass
class Data:
    a: int = 1
class Colour(enum.Enum):
    RED = 1
class Test(unittest.TestCase):
    def test(self):
        self.assertEqual(1, 1)
print(asyncio.run(numbers()), decimal.Decimal(2).sqrt(), Data(), Colour.RED)
threads = [threading.Thread(target=lambda: sum(range(1000))) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(subprocess.run(["/bin/echo", "x"], capture_output=True).stdout)
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    print(list(pool.map(str, range(5))))
print(xml.dom.minidom.parseString("<a><b/></a>").toxml(), hashlib.sha256(b"x").hexdigest()[:8], zlib.crc32(b"x"))
print(pickle.loads(pickle.dumps({"a": {1, 2}})), json.loads(json.dumps([1, {"a": None}])), re.sub("(a|b)+", "b", "aaa"))
base = sqlite3.connect(":memory:")
base.execute("create table t(a, b)")
base.executemany("insert into t values(?, ?)", [(i, str(i)) for i in range(100)])
print(base.execute("select sum(a) from t").fetchall())
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
print(ctypes.CDLL(None).abs(-3), callback(3), ssl.create_default_context().verify_mode)
unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Test))
cycle = []
cycle.append(cycle)
waiting = (i for i in range(3))
next(waiting)
"""

LIVE = """\
import sys
sys.setrecursionlimit(10000)
class Node:
    def __init__(self, value):
        self.value = value
class Slots:
    __slots__ = ("a", "__dict__", "__weakref__")
def deep(n):
    texts = ["local %d of %d" % (i, n) for i in range(30)]
    node, slots = Node(bytes(100)), Slots()
    slots.a, slots.b = [n], (n, str(n))
    table = {i: str(i) for i in range(30)}
    if n:
        return deep(n - 1)
    print("deep", flush=True)
    sys.stdin.readline()
deep(3000)
print("back", flush=True)
sys.stdin.readline()
"""


def number(text):
    return int(text.replace(",", ""))


def frame_name(line):
    """A function's name; with the line if it is one of the program's."""
    name, place = re.match(r"   (?:at|by) 0x[0-9A-F]+: (.*) \(([^()]*)\)$", line).groups()
    line_number = re.match(r".*\.py:(\d+)$", place)
    return f"{name}:{line_number.group(1)}" if line_number else name


def build_extension(place):
    """False if the headers or the compiler are missing."""
    include = subprocess.run([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
                             capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.exists(os.path.join(include, "Python.h")):
        return False
    subprocess.run(["gcc", "-shared", "-fPIC", "-O0", "-g", "-w", f"-I{include}",
                    os.path.join(HERE, "leaky_extension.c"), "-o", os.path.join(place.folder, "leaky_extension.so")],
                   check=True)
    return True


def write(place, name, text):
    path = os.path.join(place.folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def leaks(place, options, program, python=PYTHON):
    place.env.update(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    status, output, errors = place.run(["--tool=leaks", "-q", "--show-leak-kinds=definite,indirect,possible", *options,
                                        python, program], timeout=120)
    check(status == 0, f"status {status}: {output}{errors}")
    logs = sorted(glob.glob(os.path.join(place.log, "*", "log.txt")),
                  key=lambda path: int(os.path.basename(os.path.dirname(path)).split(".")[0]))
    with open(logs[0], encoding="utf-8") as f:
        return re.sub(r"(?m)^==\d+== ?", "", f.read())


def sums(log):
    return {kind: (number(size), number(blocks)) for kind, size, blocks in SUM.findall(log)}


NOTHING = {"definitely": (0, 0), "indirectly": (0, 0), "possibly": (0, 0)}


def planted(place):
    """What the extension loses, and nothing else."""
    if not build_extension(place):
        print("skipped: python3-dev is not installed")
        return
    path = write(place, "planted.py", PLANTED)
    log = leaks(place, ["--num-callers=30"], path)
    found = []
    for size, blocks, kind, stack in RECORD.findall(log):
        found.append((number(size), number(blocks), kind, [frame_name(line) for line in stack.splitlines()]))
    check(len(found) == len(LOST), f"{len(found)} records: {found}")
    for size, blocks, kind, names in LOST:
        def fits(record, names=names, key=(size, blocks, kind)):
            at = iter(record[3])
            return record[:3] == key and all(name in at for name in names)
        check(any(fits(record) for record in found), f"not found: {size} bytes in {blocks} blocks {kind}, {names}")
    check(all("<module>:10" in record[3] for record in found), f"{found}")
    check(sums(log)["possibly"] == (0, 0) and "suppressed: 0 bytes" in log, log[-900:])
    # What malloc sees; how it is lost depends on old pointers in the memory of pymalloc, which is searched then.
    lost = sums(leaks(place, ["--python-malloc=ignore"], path)).values()
    check([sum(column) for column in zip(*lost)] == [48 + 1000 + 3000, 3], f"with pymalloc ignored: {lost}")


def suppressed(place):
    """What --gen-suppressions=all makes of stacks with Python's functions suppresses them, each entry as often as it is
    lost; the XML file has the same entries, and the kinds and elements that readers of protocol 4 know."""
    if not build_extension(place):
        print("skipped: python3-dev is not installed")
        return
    path, xml = write(place, "planted.py", PLANTED), os.path.join(place.folder, "leaks.xml")
    log = leaks(place, ["--gen-suppressions=all", "--num-callers=30"], path)
    entries = re.findall(r"^\{\n.*?^\}\n", log, re.M | re.S)
    check(len(entries) == len(RECORD.findall(log)) == len(LOST), f"{len(entries)} entries: {log}")
    check(all("   fun:<module>\n" in entry for entry in entries), entries)
    made = write(place, "made.supp", "".join(entry.replace("<insert_a_suppression_name_here>", f"entry {i}")
                                             for i, entry in enumerate(entries)))
    log = leaks(place, ["-v", "--num-callers=30", f"--suppressions={made}"], path)
    check(sums(log) == NOTHING, log[-2000:])
    used = re.findall(r"used_suppression: +\d+ entry \d \S*made.supp:\d+ suppressed: [\d,]+ bytes in ([\d,]+) bl", log)
    # One entry may suppress the records of two places in a function.
    check(sum(number(blocks) for blocks in used) == sum(blocks for _, blocks, _, _ in LOST), f"{used}")
    leaks(place, ["--gen-suppressions=all", "--num-callers=30", "--xml=yes", f"--xml-file={xml}",
                  "--xml-user-comment=one < two & three"], path)
    root = ElementTree.parse(xml).getroot()
    check((root.findtext("protocolversion"), root.findtext("protocoltool")) == ("4", "memcheck"), "protocol")
    check(root.findtext("usercomment") == "one < two & three", f"comment {root.findtext('usercomment')}")
    check([state.findtext("state") for state in root.findall("status")] == ["RUNNING", "FINISHED"], "states")
    errors = root.findall("error")
    check({error.findtext("kind") for error in errors} == {"Leak_DefinitelyLost", "Leak_IndirectlyLost"} and
          len(errors) == len(LOST), f"{[error.findtext('kind') for error in errors]}")
    in_file = [error.findtext("suppression/rawtext").strip() + "\n" for error in errors]
    check(sorted(in_file) == sorted(entries), f"{in_file[0]} {entries[0]}")
    for error in errors:
        frames = error.findall("stack/frame")
        check(all(frame.findtext("ip") for frame in frames), ElementTree.tostring(error))
        python = [frame for frame in frames if frame.findtext("fn") == "<module>"]
        check(python and python[0].findtext("file") == "planted.py" and python[0].findtext("line") == "10",
              ElementTree.tostring(error))


def sage_files(place):
    """Sage's own files of suppressions, and Debian's for python3, load without a word, and change nothing here."""
    files = sorted(glob.glob("/usr/lib/python3/dist-packages/sage/ext_data/valgrind/*.supp")) + \
        [path for path in ("/usr/lib/valgrind/python3.supp",) if os.path.exists(path)]
    if not files:
        print("skipped: neither sage nor valgrind is installed")
        return
    options = [f"--suppressions={path}" for path in files]
    status, _, errors = place.run(["--tool=leaks", "-q", *options, PYTHON, "-c", ""])
    check(status == 0 and errors == "", f"{files}: status {status}: {errors}")


def collected(place):
    """What nobody but the garbage collector knows any more when the interpreter has ended. The first lists may be from
    the interpreter's free list, with the stacks of others."""
    if not build_extension(place):
        print("skipped: python3-dev is not installed")
        return
    log = leaks(place, [], write(place, "collected.py", COLLECTED))
    for function in ("lists:5", "nodes:7"):
        blocks = sum(number(blocks) for _, blocks, kind, stack in RECORD.findall(log)
                     if kind == "definitely" and function in [frame_name(line) for line in stack.splitlines()])
        check(400 <= blocks <= 500, f"{blocks} of {function}: {log[-3000:]}")
    check(1000 <= sums(log)["definitely"][1] <= 1002 and sums(log)["possibly"] == (0, 0), log[-900:])


def library(place):
    """Much of the standard library in use, with threads and child processes."""
    log = leaks(place, [], write(place, "library.py", LIBRARY))
    check(sums(log) == NOTHING and "suppressed: 0 bytes" in log, log[-2000:])


def in_use(place):
    """A live process: what only the interpreter's frames point to is in use; once they have gone, so has it."""
    vsup = place.start(["--tool=leaks", "-q", PYTHON, write(place, "live.py", LIVE)], stdin=subprocess.PIPE)

    def look():
        status, output, errors = place.ctl("leaks", "--json", f"--session={place.log}", timeout=60)
        check(status == 0, f"vctl leaks: {errors}")
        result = json.loads(output)["processes"][0]["result"]
        lost = sum(result[kind]["blocks"] for kind in ("definite", "indirect", "possible"))
        check(lost == 0, f"{lost} blocks are lost: {result['text'][-3000:]}")
        return result["reachable"]["blocks"]

    check(vsup.stdout.readline() == "deep\n", "the program does not start")
    deep = look()
    vsup.stdin.write("\n")
    vsup.stdin.flush()
    check(vsup.stdout.readline() == "back\n", "the program does not go on")
    check(deep - look() > 3000 * 60, f"{deep} blocks, and then as many")
    vsup.communicate("\n", timeout=60)
    check(vsup.returncode == 0, f"status {vsup.returncode}")


def many_threads(place):
    """100 threads, blocked in calls, waiting for the interpreter or busy: what has grown since the last look is told,
    and what has not is not; nothing that a thread holds is lost; the program goes on."""
    vsup = place.start(["--tool=leaks", "-q", PYTHON, write(place, "threads.py", MANY_THREADS)], stdin=subprocess.PIPE)

    def look(*options):
        status, output, errors = place.ctl("leaks", *options, "--json", f"--session={place.log}", timeout=60)
        check(status == 0, f"vctl leaks: {errors}")
        result = json.loads(output)["processes"][0]["result"]
        check(result["definite"]["blocks"] == 0, result["text"][-3000:])
        print(f"   vctl leaks {' '.join(options)}: stopped for {result['milliseconds']:.0f} ms")
        return result

    def grows_to(line):
        vsup.stdin.write("\n")
        vsup.stdin.flush()
        check(vsup.stdout.readline() == line, "the program does not go on")

    check(vsup.stdout.readline() == "ready\n", "the program does not start")
    before = look()
    check(before["blocks"] > 100000, f"{before['blocks']} blocks")
    for options in (["--increased"], ["--changed"]):
        grows_to("grown\n")
        text = look(*options)["text"]
        check(re.search(r"\+10\d,\d+\)? bytes in [\d,]+ \(\+100\) blocks are still reachable[^\n]*\n"
                        r"(?:   (?:at|by) [^\n]*\n)*[^\n]*: grow \(threads.py:8\)", text), text[-3000:])
    check("grow (threads.py:8)" not in look("--new")["text"], "what was known is new")
    check("grow (threads.py:8)" not in look("--increased")["text"], "nothing has grown")
    output, _ = vsup.communicate("", timeout=60)
    check(vsup.returncode == 0 and output == "100 200\n", f"status {vsup.returncode}: {output}")


def numpy(place):
    """What numpy keeps out of sight is suppressed, each entry for a need of its own."""
    if subprocess.run([PYTHON, "-c", "import numpy"], capture_output=True, check=False).returncode != 0:
        print("skipped: numpy is not installed")
        return
    path = write(place, "array.py", "import numpy\na = numpy.arange(1000.0).reshape(10, 100)\nprint((a @ a.T).sum())\n")
    log = leaks(place, ["-v"], path)
    check(sums(log) == NOTHING, log[-2000:])
    check("used_suppression:" in log, "no use counts with -v")
    check(sums(leaks(place, ["--default-suppressions=no"], path)) != NOTHING, "no entry is needed")


def versions(place):
    """Other interpreters of the machine, 3.8 to 3.13, with interned strings and objects of all layouts."""
    text = "import asyncio, ctypes, decimal, json, re, sqlite3, sys, threading\nsys.intern('never seen before')\n"
    path = write(place, "imports.py", text)
    for python in sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))):
        minor = int(os.path.realpath(python).rsplit("python3.", 1)[1])
        if not 8 <= minor <= 13:
            continue
        log = leaks(place, [], path, python)
        check(sums(log) == NOTHING, f"{python}: {log[-2000:]}")


session.main({name: test for name, test in list(globals().items())
              if name in ("planted", "suppressed", "sage_files", "library", "collected", "in_use",
                          "many_threads", "numpy", "versions")}, __doc__)
