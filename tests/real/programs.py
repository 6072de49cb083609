"""The real programs: one row each, with what it needs and what in its output varies by itself."""
import dataclasses


@dataclasses.dataclass
class Program:
    name: str
    script: str                   # in scripts/: .py for python3, .sh for bash
    needs: tuple = ()             # programs in the PATH, or paths (patterns)
    arguments: tuple = ()
    timeout: float = 60           # seconds natively; three times that under vsup
    status: int = 0
    label: str = "real"
    normalise: tuple = ()         # (pattern, replacement) on the output


PYTHON = ("/usr/bin/python3",)
SUITE = ("/usr/bin/python3", "/usr/lib/python3*/test/test_grammar.py")


def suite(group, *modules):
    return Program("cpython_" + group, "cpython_tests.py", SUITE, list(modules), timeout=120)


PROGRAMS = [
    Program("python_text", "python_text.py", PYTHON),
    Program("python_sqlite3", "python_sqlite3.py", PYTHON),
    Program("python_ctypes", "python_ctypes.py", PYTHON),
    Program("python_threading", "python_threading.py", PYTHON),
    Program("python_multiprocessing", "python_multiprocessing.py", PYTHON),
    Program("python_subprocess", "python_subprocess.py", PYTHON),
    Program("python_asyncio", "python_asyncio.py", PYTHON),
    Program("python_signal", "python_signal.py", PYTHON),
    Program("python_faulthandler", "python_faulthandler.py", PYTHON),
    Program("python_decimal", "python_decimal.py", PYTHON),
    suite("language", "test_grammar", "test_generators", "test_exceptions", "test_scope", "test_class", "test_super",
          "test_with", "test_fstring", "test_dataclasses", "test_contextlib"),
    suite("numbers", "test_math", "test_cmath", "test_float", "test_long", "test_complex", "test_fractions",
          "test_decimal", "test_random", "test_statistics"),
    suite("data", "test_json", "test_re", "test_struct", "test_array", "test_bytes", "test_dict", "test_set",
          "test_heapq", "test_pickle", "test_zlib", "test_bz2", "test_hashlib", "test_hmac",
          "test_csv"),
    suite("system", "test_ctypes", "test_mmap", "test_select", "test_selectors", "test_epoll", "test_fcntl", "test_pty",
          "test_posix", "test_resource", "test_tempfile", "test_pathlib"),
    suite("processes", "test_fork1", "test_wait3", "test_wait4", "test_popen", "test_pipes", "test_threadsignals",
          "test_faulthandler", "test_thread", "test_threading_local", "test_queue", "test_sched", "test_gc",
          "test_weakref"),
    suite("signals", "test_signal", "test_subprocess"),
    Program("gcc", "gcc.sh", ("gcc",)),
    Program("g++", "gxx.sh", ("g++",)),
    Program("perl", "perl.sh", ("perl",)),
    Program("bash", "bash.sh", ("bash", "awk", "sed")),
    Program("git", "git.sh", ("git",)),
    Program("sqlite3", "sqlite3.sh", ("sqlite3",)),
    Program("openssl", "openssl.sh", ("openssl",)),
    Program("openssl_speed", "openssl_speed.sh", ("openssl",)),
    Program("compress", "compress.sh", ("bzip2", "gzip")),
    Program("zstd", "zstd.sh", ("zstd",)),
    Program("xz", "xz.sh", ("xz",)),
    Program("gp", "gp.sh", ("gp",)),
    Program("gap", "gap.sh", ("gap",), label="sage"),
    Program("singular", "singular.sh", ("Singular",), label="sage"),
    Program("maxima", "maxima.sh", ("maxima",), label="sage"),
    Program("ecl", "ecl.sh", ("ecl",)),
    Program("node", "node.sh", ("node",)),
    Program("java", "java.sh", ("java", "javac")),
    Program("go", "go.sh", ("go",), timeout=120),
    Program("rust", "rust.sh", ("/usr/bin/rustc",), timeout=120),
    Program("busybox", "busybox.sh", ("busybox",)),
    Program("sage_c", "sage_c.sh", ("sage",), timeout=120, label="sage"),
    Program("sage_t", "sage_t.sh", ("sage",), timeout=300, label="sage",
            normalise=((r"\[(\d+) tests?, .*", r"[\1 tests]"), (r"^Total time for all tests:.*", ""),
                       (r"^ *cpu time:.*", ""), (r"^ *cumulative wall time:.*", ""),
                       (r"^Running doctests with ID.*", ""),
                       (r"--random-seed=\d+", "--random-seed"), (r"random seed: \d+", "random seed"),
                       (r"^Using --optional.*", ""), (r"^Features detected.*", ""))),
]
