# CPython's own regression tests: runs the named modules and prints a verdict for each test case.
import os
import sys
import unittest

from test import support

os.chdir(os.environ["TMPDIR"])
# What tests print varies: with process ids, with the order in sets.
verdicts = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.verdicts = {}

    def put(self, test, verdict):
        self.verdicts[test.id()] = verdict

    def addSuccess(self, test):
        self.put(test, "ok")

    def addFailure(self, test, error):
        self.put(test, "FAILED")
        print(self._exc_info_to_string(error, test), file=sys.stderr)

    addError = addFailure

    def addSkip(self, test, reason):
        self.put(test, "skipped")

    def addExpectedFailure(self, test, error):
        self.put(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.put(test, "unexpected success")


# These measure time or memory, so their verdict is not the same in every run, natively either.
UNSTABLE = ("test_huge_str_int_limit", "test_denial_of_service", "test_int_max_str_digits", "test_itimer_prof",
            "test_itimer_virtual", "TestResourceWarning", "test_leaking_fds", "StressTest")


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        elif not any(name in item.id() for name in UNSTABLE):
            yield item


for name in sys.argv[1:]:
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
    except (unittest.SkipTest, ImportError) as error:
        print(name, "not here", file=verdicts, flush=True)
        continue
    result = Result()
    unittest.TestSuite(cases(suite)).run(result)
    bad = sorted(test for test, verdict in result.verdicts.items() if verdict not in ("ok", "skipped", "expected failure"))
    count = {v: list(result.verdicts.values()).count(v) for v in sorted(set(result.verdicts.values()))}
    print(name, count, *bad, file=verdicts, flush=True)
