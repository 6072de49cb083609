#!/usr/bin/python3
"""Leak checks on request, of a running process; suppressions, XML and exit status of the leaks tool.

Usage: leaks_live.py --vsup=VSUP --vctl=VCTL --programs=FOLDER
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import session  # noqa: E402
from session import check  # noqa: E402


class Live:
    """The program that obeys letters, under vsup or attached to."""

    def __init__(self, place, program, arguments):
        self.place = place
        self.vsup = place.start(["--tool=leaks", "-q"] + arguments + [program], stdin=subprocess.PIPE)
        check(self.vsup.stdout.readline() == "ready\n", "the program does not start")

    def say(self, letters):
        self.vsup.stdin.write(letters + "\n")
        self.vsup.stdin.flush()
        check(self.vsup.stdout.readline() == "done\n", "the program does not answer")

    def check(self, *options):
        status, output, errors = self.place.ctl("leaks", "--json", f"--session={self.place.log}", *options)
        check(status == 0, f"vctl leaks: {errors}")
        rows = json.loads(output)["processes"]
        check(len(rows) == 1 and "result" in rows[0], f"vctl leaks answered {output}")
        return rows[0]["result"]

    def end(self):
        self.vsup.stdin.close()
        self.vsup.wait(timeout=20)
        return self.vsup.returncode


def log_of(place):
    with open(glob.glob(os.path.join(place.log, "*", "log.txt"))[0], encoding="utf-8") as f:
        return f.read()


def amounts(result):
    return {kind: (result[kind]["bytes"], result[kind]["blocks"])
            for kind in ("definite", "indirect", "possible", "reachable")}


def test_requests(arguments):
    program = os.path.join(arguments.programs, "leaks_live")
    with session.Place(arguments.vsup, arguments.vctl) as place:
        live = Live(place, program, [])
        live.say("gg")
        first = live.check()
        check(amounts(first)["definite"] == (0, 0), f"lost at first: {first}")
        kept = amounts(first)["reachable"]
        live.say("ggl")
        grown = live.check("--increased")
        check(amounts(grown) == {"definite": (33, 1), "indirect": (0, 0), "possible": (0, 0),
                                 "reachable": (kept[0] + 2 * 64, kept[1] + 2)}, f"after growth: {amounts(grown)}")
        check(grown["shown"] == 2, f"{grown['shown']} records have grown: {grown['text']}")
        check("256 (+128) bytes in 4 (+2) blocks are still reachable" in grown["text"], grown["text"])
        check("33 (+33) bytes in 1 (+1) blocks are definitely lost" in grown["text"], grown["text"])
        check(re.search(r"by 0x[0-9A-F]+: grow \(leaks_live.c:\d+\)", grown["text"]), grown["text"])
        live.say("l")
        check(live.check("--new")["shown"] == 0, "a place that was known is new")
        changed = live.check("--changed")
        check(changed["shown"] == 0, f"changed without a change: {changed['text']}")
        lost = live.check("--show-leak-kinds=definite")
        check(amounts(lost)["definite"] == (66, 2) and lost["shown"] == 1, f"lost: {lost}")
        check(live.check("--summary")["shown"] == 0, "a summary shows records")
        # The program goes on, and says the same at its end.
        live.say("g")
        check(live.end() == 0, "the program did not end well")
        log = log_of(place)
        check(log.count("HEAP SUMMARY:") == 7, f"{log.count('HEAP SUMMARY:')} checks in the log")
        check("66 bytes in 2 blocks are definitely lost" in log, "the last check is missing")
    print("requests: ok")


def test_bad_requests(arguments):
    program = os.path.join(arguments.programs, "leaks_live")
    with session.Place(arguments.vsup, arguments.vctl) as place:
        live = Live(place, program, [])
        status, output, errors = place.ctl("leaks", "--show-leak-kinds=lost", f"--session={place.log}")
        check(status == 1 and "kinds is a list of" in output + errors, f"{status} {output} {errors}")
        status, _, errors = place.ctl("leaks", f"--session={place.log}", "12345678")
        check(status == 1 and errors.startswith("vctl: "), f"{status} {errors}")
        live.say("g")
        check(live.end() == 0, "the program did not end well")
    print("bad requests: ok")


def test_attach(arguments):
    program = os.path.join(arguments.programs, "leaks_live")
    with session.Place(arguments.vsup, arguments.vctl) as place:
        native = place.start_native([program], stdin=subprocess.PIPE)
        check(native.stdout.readline() == "ready\n", "the program does not start")

        def say(letters):
            native.stdin.write(letters + "\n")
            native.stdin.flush()
            check(native.stdout.readline() == "done\n", "the program does not answer")

        say("gg")
        vsup = place.start(["--tool=leaks", "-q", f"--attach={native.pid}"])
        place.control()
        session.wait_until(lambda: glob.glob(os.path.join(place.log, "*", "process.json")), 10, "an attached process")
        say("gl")
        status, output, errors = place.ctl("leaks", "--json", "--show-leak-kinds=all", f"--session={place.log}")
        check(status == 0, f"vctl leaks: {errors}")
        result = json.loads(output)["processes"][0]["result"]
        # The new node points to the older ones, and nothing that is known points to it but a global.
        check(amounts(result)["reachable"] == (64, 1), f"kept: {result['text']}")
        check(amounts(result)["definite"] == (33, 1), f"lost: {result['text']}")
        check("was not watched all the time" in result["text"], result["text"])
        native.stdin.close()
        native.wait(timeout=20)
        vsup.wait(timeout=20)
    print("attach: ok")


def test_suppressions(arguments):
    program = os.path.join(arguments.programs, "leaks", "many_places")
    with session.Place(arguments.vsup, arguments.vctl) as place:
        options = ["--tool=leaks", "-q", "--show-leak-kinds=all"]
        status, _, _ = place.run(options + ["--gen-suppressions=all", "--error-exitcode=9", program])
        check(status == 9, f"--error-exitcode: {status}")
        entries = re.findall(r"^\{\n.*?^\}\n", log_of(place), re.M | re.S)
        check(len(entries) == 13, f"{len(entries)} suppressions for 13 records")
        check(all("   fun:malloc\n   fun:lose\n" in entry for entry in entries), entries[0])
        path = os.path.join(place.folder, "made.supp")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(entries)
        # Valgrind and vsup each take what the other has made.
        status, _, _ = place.run(options + ["-v", f"--suppressions={path}", "--error-exitcode=9", program])
        log = log_of(place)
        check(status == 0, f"all is suppressed, but the status is {status}")
        check("suppressed: 188 bytes in 25 blocks" in log, log)
        check(log.count("used_suppression:") > 0 and f"{path}:2" in log, "no use counts with -v")
        result = subprocess.run(["valgrind", "-q", "--leak-check=full", f"--suppressions={path}", "--error-exitcode=9",
                                 program], capture_output=True, text=True, timeout=60, check=False)
        check(result.returncode == 0, f"Valgrind takes the suppressions otherwise: {result.stderr}")
        result = subprocess.run(["valgrind", "--leak-check=full", "--gen-suppressions=all", program],
                                capture_output=True, text=True, timeout=60, check=False)
        theirs = re.findall(r"^\{\n.*?^\}\n", result.stderr, re.M | re.S)
        check(sorted(theirs) == sorted(entries), f"Valgrind makes others: {theirs[:1]} {entries[:1]}")
        bad = os.path.join(place.folder, "bad.supp")
        with open(bad, "w", encoding="utf-8") as f:
            f.write("{\n  name\n  Memcheck:Leek\n  fun:f\n}\n")
        status, _, errors = place.run(options + [f"--suppressions={bad}", program])
        check(status != 0 and f"{bad}:3: 'Leek' is no kind" in errors and errors.count("\n") <= 2, errors)
        debian = "/usr/lib/valgrind/python3.supp"
        if os.path.exists(debian):
            status, _, errors = place.run(["--tool=leaks", "-q", f"--suppressions={debian}", "/usr/bin/python3", "-c",
                                           "import json"])
            check(status == 0 and errors == "", f"python3.supp: {errors}")
    print("suppressions: ok")


def shape(element):
    """The document's elements, with texts that do not depend on the run."""
    texts = {"kind", "leakedbytes", "leakedblocks", "line", "file", "dir", "protocolversion", "protocoltool", "tool"}
    fixed = (element.text or "").strip() if element.tag in texts else ""
    return (element.tag, fixed, [shape(child) for child in element])


def test_xml(arguments):
    """Valgrind's own file of the same program has the same elements in the same order."""
    for name in ("tree", "cycle", "through_possible", "containers"):
        program = os.path.join(arguments.programs, "leaks", name)
        with session.Place(arguments.vsup, arguments.vctl) as place:
            ours = os.path.join(place.folder, "ours.xml")
            theirs = os.path.join(place.folder, "theirs.xml")
            options = ["--leak-check=full", "--show-leak-kinds=definite,indirect,possible", "--xml=yes"]
            status, _, _ = place.run(["--tool=leaks", "-q", f"--xml-file={ours}"] + options + [program])
            check(status == 0, f"{name}: status {status}")
            subprocess.run(["valgrind", f"--xml-file={theirs}"] + options + [program], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60, check=False)
            trees = [ET.parse(path).getroot() for path in (ours, theirs)]
            tags = [[child.tag for child in tree if child.tag != "error"] for tree in trees]
            check(tags[0] == tags[1], f"{name}: {tags}")
            errors = [[shape(child) for child in tree if child.tag == "error"] for tree in trees]
            # The first frame is the allocation function, in a module of Valgrind's; and records of equal size may come
            # in another order, so their numbers differ.
            for tree in errors:
                tree.sort(key=str)
            check(len(errors[0]) == len(errors[1]) > 0, f"{name}: {len(errors[0])} and {len(errors[1])} errors")
            for our, their in zip(*errors):
                check(our == their, f"{name}:\n{our}\n{their}")
            whats = [sorted(re.sub(r" in loss record.*", "", e.findtext("xwhat/text")) for e in tree.iter("error"))
                     for tree in trees]
            check(whats[0] == whats[1], f"{name}: {whats}")
    print("xml: ok")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vsup", required=True)
    parser.add_argument("--vctl", required=True)
    parser.add_argument("--programs", required=True)
    arguments = parser.parse_args()
    test_requests(arguments)
    test_bad_requests(arguments)
    test_attach(arguments)
    test_suppressions(arguments)
    test_xml(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
