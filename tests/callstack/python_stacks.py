"""Takes stacks in every way in which Python functions come to be called, and says what they are by sys._getframe.

Usage: python_stacks.py PROBE.so yes|only. A line "ready" is answered by a line; then a JSON object a stack; "done"
likewise.
"""
import asyncio
import contextlib
import ctypes
import functools
import gc
import json
import os
import sys
import tempfile
import threading

try:  # before the test looks at what is loaded
    import _xxsubinterpreters as interpreters
except ImportError:
    interpreters = None

probe = ctypes.CDLL(sys.argv[1])  # releases the GIL
held = ctypes.PyDLL(sys.argv[1])  # does not
DEPTH = 500


def tell(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def frames_of(frame):
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return frames


taken = []


caches = threading.local()


def cache():
    if not hasattr(caches, "memory"):
        caches.memory = ctypes.create_string_buffer(65536)
    return caches.memory


def take(name, library=probe):
    taken.append((name, library.vsup_capture_here(DEPTH), frames_of(sys._getframe()))); take_cached(name, library)
    return 0


def take_cached(name, library):
    # What the thread's last walk read is compared, and only what differs walked.
    taken.append((name + ", cached", library.vsup_capture_cached(DEPTH, cache()), frames_of(sys._getframe())))


def plain():
    take("plain")


def with_gil():
    take("with the GIL", held)


def recursion(depth, name):
    if depth:
        return recursion(depth - 1, name)
    return take(name)


def generator(name):
    for i in range(3):
        take(name)
        yield i


def delegating(name):
    yield from generator(name)


async def inner(name):
    await asyncio.sleep(0)
    take(name)


async def outer(name):
    await asyncio.gather(inner(name), inner(name))
    async for _ in asynchronous(name):
        pass


async def asynchronous(name):
    take(name)
    yield 1


def make_thing():
    class Thing:
        take("a class body")

        def __init__(self, name):
            take(name)

        def __del__(self):
            take("a destructor")

        def __lt__(self, other):
            take("a comparison")
            return True

        @property
        def value(self):
            take("a property")
            return 1

        @functools.lru_cache(None)
        def cached(self):
            return take("a cached method")

    return Thing


def wrapper(function):
    @functools.wraps(function)
    def wrapped(*arguments, **keywords):
        return function(*arguments, **keywords)
    return wrapped


@wrapper
@wrapper
def decorated(name):
    with contextlib.suppress(ValueError):
        take(name)
        raise ValueError


def key(value):
    take("a key of sorted")
    return value


def größe():
    take("a name in Latin-1")


def 大きさ():
    take("a name beyond it")


def main():
    plain()
    with_gil()
    recursion(30, "recursion")
    recursion(150, "deep recursion")
    list(generator("a generator"))
    list(delegating("a generator by yield from"))
    [take("a comprehension") for _ in range(2)]
    list(take("a generator expression") for _ in range(2))
    {recursion(i, "a comprehension of recursions") for i in range(3)}
    asyncio.run(outer("a coroutine"))
    Thing = make_thing()
    thing = Thing("a constructor")
    sorted([3, 1, 2], key=key)
    sorted([thing, thing])
    thing.value
    thing.cached()
    del thing
    Thing.cached.cache_clear()
    gc.collect()
    list(map(lambda x: recursion(x, "a lambda of map"), [0, 1]))
    functools.reduce(lambda a, b: take("a lambda of reduce"), [1, 2, 3])
    decorated("decorated")
    größe()
    大きさ()
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda a, b: take("a callback of qsort"))
    numbers = (ctypes.c_int * 4)(3, 1, 2, 0)
    ctypes.CDLL(None).qsort(numbers, 4, 4, compare)
    threads = [threading.Thread(target=recursion, args=(i, "a thread")) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Code objects that take the places of dead ones.
    for i in range(300):
        space = {"take": take}
        lines = "\n" * (i % 7) + f"def made{i % 10}{i}():\n  take('made')\n\nmade{i % 10}{i}()"
        exec(compile(lines, f"<made {i}>", "exec"), space)
        space.clear()
    # Where calls of the loop can be told by their frames on the C stack.
    if sys.version_info[:2] in ((3, 11), (3, 12)) and sys.argv[2] == "yes":
        subinterpreter()
    long = "\n".join(["x = 1"] * 700 + ["take('a line far on')"] + ["x = 1"] * 700)
    exec(compile(long, "long.py", "exec"), {"take": take})
    eval(compile("(\n\n  take('an expression over lines')\n)", "expression.py", "eval"))


INSIDE = """
import ctypes, json, sys

def frames_of(frame):
    frames = []
    while frame is not None:
        frames.append([frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return frames

def inside():
    return probe.vsup_capture_here(500), frames_of(sys._getframe())

def around():
    return [inside() for _ in range(2)]

probe = ctypes.CDLL(%r)
probe.vsup_capture_here.restype = ctypes.c_uint32
with open(%r, "w") as f:
    json.dump(around(), f)
"""


def subinterpreter():
    number = interpreters.create(isolated=False)
    with tempfile.TemporaryDirectory() as folder:
        answer = os.path.join(folder, "answer")
        interpreters.run_string(number, INSIDE % (sys.argv[1], answer)); outer = frames_of(sys._getframe())
        with open(answer, encoding="utf-8") as f:
            taken.extend(("a subinterpreter", stack, frames + outer) for stack, frames in json.load(f))
    take("after a subinterpreter")


if __name__ == "__main__":
    for name in ("vsup_capture_here", "vsup_capture_cached"):
        getattr(probe, name).restype = getattr(held, name).restype = ctypes.c_uint32
    if not probe.vsup_probe_map():
        sys.exit("the probe's memory cannot be mapped")
    tell("ready")
    sys.stdin.readline()
    main()
    for name, number, frames in taken:
        tell(json.dumps({"name": name, "id": number, "frames": frames}))
    tell("done")
    sys.stdin.readline()
