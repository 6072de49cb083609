#!/usr/bin/python3
"""`vctl report` and `vsup --report`: pages of real sessions, ended and running, looked at in Chromium where there is
one; and what is said when there is nothing to report on."""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import browser  # noqa: E402
import session  # noqa: E402
from session import check  # noqa: E402

NAMES = "[...document.querySelectorAll('#functions .name')].map(e => e.textContent)"


def look(place, path, *expressions):
    """What the expressions say in the opened page; None without Chromium."""
    program = browser.find_browser()
    if not program:
        print("there is no Chromium: the page itself is not looked at")
        return None
    chromium = browser.Browser(program, os.path.join(place.folder, "profile"))
    try:
        chromium.open("file://" + path)
        check(not chromium.complaints(), f"the page complains: {chromium.complaints()}")
        return [chromium.evaluate(expression) for expression in expressions]
    finally:
        chromium.close()


def report(place, *arguments):
    status, output, errors = place.ctl("report", *arguments)
    check(status == 0 and output.endswith("report.html\n"), f"no report: {status} {output} {errors}")
    return output.strip()


def refused(place, wanted, *arguments):
    status, output, errors = place.ctl("report", *arguments)
    check(status == 1 and not output, f"{arguments} was not refused: {status} {output}")
    check(wanted in errors and errors.count("\n") == 1, f"{arguments}: {errors!r} is not one line with {wanted!r}")


def of_an_ended_session(place):
    """By its directory, from vctl and from vsup: the same page, with the program's own functions."""
    program = os.path.join(place.programs, "profiled")
    status, _, errors = place.run(["-q", "--tool=callgrind", "--collapsed=yes", program], timeout=60)
    check(status == 0, f"the program failed: {errors}")
    path = report(place, place.log)
    check(path == os.path.join(place.log, "report.html"), f"the page is in another place: {path}")
    with open(path, "rb") as f:
        page = f.read()
    made = subprocess.run([place.vsup, f"--report={place.log}"], capture_output=True, text=True, check=True)
    check(made.stdout.strip() == path, f"vsup --report says {made.stdout}")
    with open(path, "rb") as f:
        check(f.read() == page, "vsup makes another page than vctl")
    seen = look(place, path, NAMES, "current.executable", "flame.boxes.map(b => flame.title(b.index))",
                "current.totals[0][1] > 0 && current.totals[0][1] === flame.cost[0]")
    if seen:
        names, executable, frames, same_total = seen
        check("fib" in names and "main" in names, f"functions are missing: {names[:20]}")
        check("fib" in frames and "main" in frames, f"frames are missing: {frames[:40]}")
        check(same_total, "the graph's total is not the profile's")
        check(executable.endswith("/profiled"), f"another process is shown: {executable}")


def of_leaks(place):
    """The tool leaks' records are those of its log, with their stacks."""
    program = os.path.join(place.programs, "leaks", "tree")
    status, _, errors = place.run(["-q", "--tool=leaks", "--show-leak-kinds=all", program], timeout=60)
    check(status == 0, f"the program failed: {errors}")
    (log,) = glob.glob(os.path.join(place.log, "*", "log.txt"))
    with open(log, encoding="utf-8") as f:
        text = f.read()
    heads = re.findall(r"^==\d+== ([\d,]+)(?: \([^)]*\))? bytes in .* in loss record", text, re.M)
    wanted = [int(number.replace(",", "")) for number in heads]
    check(wanted, f"no loss records: {text[-1000:]}")
    seen = look(place, report(place, place.log), "current.leaks.records.map(r => r[1])",
                "document.querySelectorAll('#leak-records tr').length",
                "current.leaks.sums.map(s => s[0])", "document.querySelector('#leak-records summary').textContent")
    if seen:
        records, rows, kinds, site = seen
        check(sorted(records) == sorted(wanted), f"records of {sorted(records)} bytes, the log has {sorted(wanted)}")
        check(rows == min(len(wanted), 200), f"{rows} rows for {len(wanted)} records")
        check(kinds[:4] == ["definitely lost", "indirectly lost", "possibly lost", "still reachable"],
              f"kinds: {kinds}")
        check(site.startswith("grow (tree.c:"), f"the first one is allocated by {site}")


def of_a_running_session(place):
    """While it runs, by pid or as the only one."""
    process = place.start(["-q", "sleep", "60"])
    place.control().close()
    session.wait_until(lambda: place.session_record()["processes"], 20, "the process is in session.json")
    path = report(place)
    check(path == os.path.join(place.log, "report.html"), f"the page is in another place: {path}")
    check(report(place, str(process.pid)) == path, "by pid it is another page")
    check(report(place, f"--session={place.log}") == path, "by --session it is another page")
    seen = look(place, path, "session.state", "document.querySelectorAll('nav button').length",
                "document.getElementById('nothing').hidden")
    if seen:
        check(seen == ["running", 1, False], f"the page says {seen}")
    place.ctl("-k")
    process.communicate(timeout=20)


def of_the_newest_session(place):
    """Without a name, and none running: the newest in the default place."""
    subprocess.run([place.vsup, "-q", "true"], env=place.env, check=True, timeout=20)
    path = report(place)
    check(os.path.realpath(path).startswith(os.path.realpath(place.env["XDG_STATE_HOME"])), f"made {path}")


def with_nothing_to_report(place):
    refused(place, "no session to report on")
    refused(place, "cannot read /nowhere", "/nowhere")
    refused(place, "holds no session.json", place.folder)
    refused(place, "no running session '999999999'", "999999999")
    refused(place, "takes one session", "a", "b")
    with open(os.path.join(place.folder, "session.json"), "w", encoding="utf-8") as f:
        f.write("[")
    status, _, errors = place.ctl("report", place.folder)
    check(status == 1 and "is damaged" in errors, f"a damaged session.json: {status} {errors}")


if __name__ == "__main__":
    session.main({f.__name__: f for f in (of_an_ended_session, of_leaks, of_a_running_session, of_the_newest_session,
                                          with_nothing_to_report)}, __doc__)
