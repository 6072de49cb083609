#!/usr/bin/python3
"""Opens the report page in headless Chromium, looks, clicks, and checks that nothing was fetched.

Usage: report_page.py UNIT_TESTS. Exit status 77 (skipped) without Chromium. Speaks the DevTools protocol through
Chromium's pipe: messages end in NUL, descriptor 3 is read by the browser, 4 written.
"""
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
SECONDS = 60


class Browser:
    def __init__(self, program, profile):
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()

        def place_pipes():
            first, second = os.dup(to_read), os.dup(to_write)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "--window-size=1200,900", "about:blank"],
            preexec_fn=place_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.next_id, self.events, self.session = b"", 1, [], None

    def read(self, until):
        while b"\0" not in self.buffer:
            if not select.select([self.from_browser], [], [], max(0, until - time.monotonic()))[0]:
                raise SystemExit("the browser does not answer")
            data = os.read(self.from_browser, 1 << 16)
            if not data:
                raise SystemExit("the browser ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        message = {"id": self.next_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        self.next_id += 1
        until = time.monotonic() + SECONDS
        while True:
            answer = self.read(until)
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def click(self, expression):
        """A real click, by the mouse, at the middle of the element."""
        x, y = self.evaluate(f"(() => {{ const e = {expression}; e.scrollIntoView({{block: 'center'}}); "
                             "const r = e.getBoundingClientRect(); "
                             "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except SystemExit:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r}, not {wanted!r}")
    print("ok:", what)


def look(browser, page):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Network", "Log"):
        browser.call(domain + ".enable")
    browser.call("Page.navigate", url="file://" + page)
    until = time.monotonic() + SECONDS
    while browser.evaluate("document.readyState") != "complete":
        if time.monotonic() > until:
            raise SystemExit("the page does not load")

    text = "document.getElementById({!r}).textContent".format
    frame = "[...document.querySelectorAll('g.frame')].find(g => g.querySelector('title').textContent.startsWith({!r}))"
    width = "Number(({}).querySelector('rect').getAttribute('width'))"
    names = "[...document.querySelectorAll('#functions tr')].map(r => r.lastChild.firstChild.textContent)"
    whole = browser.evaluate("document.getElementById('flame').clientWidth")

    expect("the title is the program's", browser.evaluate("document.title"), "vsup: sh")
    expect("three processes", browser.evaluate("document.querySelectorAll('nav button').length"), 3)
    expect("children lie under their parents",
           browser.evaluate("document.querySelectorAll('nav ul ul ul button').length"), 1)
    expect("the costliest process is shown", browser.evaluate(text("process")), "101 /usr/bin/python3")
    expect("frames", browser.evaluate("document.querySelectorAll('g.frame').length"), 6)
    expect("functions by self cost", browser.evaluate(names)[0], "eval")
    expect("main is as wide as all", abs(browser.evaluate(width.format(frame.format("main"))) - whole) < 2, True)
    expect("eval is 90 % of it", abs(browser.evaluate(width.format(frame.format("eval"))) / whole - 0.9) < 0.01, True)

    browser.click(frame.format("eval"))
    expect("a clicked frame fills the width",
           abs(browser.evaluate(width.format(frame.format("eval"))) - whole) < 2, True)
    expect("its cost is told", "900" in browser.evaluate(text("detail")), True)
    browser.click("document.getElementById('reset')")
    expect("everything again", abs(browser.evaluate(width.format(frame.format("eval"))) / whole - 0.9) < 0.01, True)

    browser.click("[...document.querySelectorAll('#columns button')].find(b => b.textContent === 'Inclusive')")
    expect("functions by inclusive cost", browser.evaluate(names)[0], "main")
    browser.click("document.querySelector('#functions tr:nth-child(2)')")
    expect("a clicked function is found in the graph",
           browser.evaluate("document.querySelectorAll('g.frame.found').length"), 2)
    browser.click("document.getElementById('filter')")
    browser.call("Input.insertText", text="ceval")
    expect("filtered", browser.evaluate(names), ["eval"])

    browser.click("document.querySelector('nav button')")
    expect("another process", browser.evaluate(text("process")), "100 /bin/sh")
    expect("without stacks the page says so", "No stacks" in browser.evaluate(text("flame-note")), True)
    expect("no name ran as a script", browser.evaluate("document.title"), "vsup: sh")

    requests = [event["params"]["request"]["url"] for event in browser.events
                if event.get("method") == "Network.requestWillBeSent"]
    expect("nothing fetched but the page", [url for url in requests if url != "file://" + page], [])
    complaints = [event for event in browser.events
                  if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    expect("no complaint on the console", complaints, [])


def main():
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if not program:
        print("there is no Chromium")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = os.path.join(folder, "report.html")
        subprocess.run([sys.argv[1], "-tc=report page: a file for the browser*"], check=True,
                       env=dict(os.environ, VSUP_REPORT_PAGE=page), stdout=subprocess.DEVNULL)
        browser = Browser(program, os.path.join(folder, "profile"))
        try:
            look(browser, page)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
