#!/usr/bin/python3
"""Opens report pages in headless Chromium, looks, clicks, types, and checks that nothing was fetched.

Usage: report_page.py UNIT_TESTS. Exit status 77 (skipped) without Chromium. With VSUP_SCREENSHOTS=FOLDER, pictures of
the pages are left there.
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from browser import Browser, find_browser


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r}, not {wanted!r}")
    print("ok:", what)


class Page:
    def __init__(self, browser, path):
        self.browser, self.url = browser, "file://" + path
        browser.open(self.url)

    def text(self, element):
        return self.browser.evaluate(f"document.getElementById({element!r}).textContent")

    def count(self, selector):
        return self.browser.evaluate(f"document.querySelectorAll({selector!r}).length")

    def first_name(self):
        return self.names()[0]

    def names(self):
        return self.browser.evaluate("[...document.querySelectorAll('#functions .name')].map(e => e.textContent)")

    def box(self, name):
        """Share of the graph's width that the first frame of that name has, and the middle of it on the screen."""
        return self.browser.evaluate(f"""(() => {{
            const canvas = document.getElementById('flame');
            canvas.scrollIntoView({{block: 'center'}});
            const r = canvas.getBoundingClientRect();
            const box = flame.boxes.find(b => b.index >= 0 && flame.title(b.index) === {name!r});
            return box ? [box.width / canvas.clientWidth, r.x + box.x + box.width / 2,
                          r.y + (box.row + 0.5) * FRAME_HEIGHT] : null;
        }})()""")

    def width(self, name):
        box = self.box(name)
        return round(box[0], 2) if box else None

    def click_frame(self, name):
        self.browser.click_at(*self.box(name)[1:])

    def colour(self, name):
        """The hue drawn at a frame's left edge: what a person sees, not what the page thinks."""
        self.browser.move_to(2, 2)
        return self.browser.evaluate(f"""(() => {{
            const canvas = document.getElementById('flame');
            const box = flame.boxes.find(b => b.index >= 0 && flame.title(b.index) === {name!r});
            const ratio = canvas.width / canvas.clientWidth;
            const pixel = new OffscreenCanvas(1, 1).getContext('2d', {{willReadFrequently: true}});
            pixel.drawImage(canvas, (box.x + 1.5) * ratio, (box.row * FRAME_HEIGHT + 2) * ratio, 1, 1, 0, 0, 1, 1);
            const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
            return b > r ? (r > g + 40 ? 'purple' : 'blue') : 'warm';
        }})()""")

    def button(self, selector, text):
        self.browser.click(f"[...document.querySelectorAll({selector!r})].find(b => b.textContent.includes({text!r}))")

    def finish(self):
        expect("nothing fetched but the page", [url for url in self.browser.requests() if url != self.url], [])
        expect("no complaint on the console", self.browser.complaints(), [])


def look_at_profile(page):
    browser = page.browser
    expect("the title is the program's", browser.evaluate("document.title"), "vsup: sh")
    expect("three processes", page.count("nav button"), 3)
    expect("children lie under their parents", page.count("nav ul ul ul button"), 1)
    page.button("nav button", "python3")
    expect("the chosen process is shown", page.text("process"), "101 /usr/bin/python3")
    expect("its totals", page.text("totals"), "Ir1,000Dr300")
    expect("functions by self cost", page.first_name(), "eval")
    expect("main is as wide as all", page.width("main"), 1.0)
    expect("eval is 90 % of it", page.width("eval"), 0.9)

    page.click_frame("eval")
    expect("a clicked frame fills the width", page.width("eval"), 1.0)
    expect("what is above it does so as well", page.width("main"), 1.0)
    expect("its cost is told", "900 Ir" in page.text("detail"), True)
    page.button("#counted button", "Back")
    expect("back", page.width("eval"), 0.9)
    page.click_frame("eval")
    page.button("#counted button", "Show all")
    expect("everything again", page.width("eval"), 0.9)
    page.button("#counted button", "Back")
    expect("back to the zoom before", page.width("eval"), 1.0)
    page.button("#counted button", "Show all")

    browser.move_to(*page.box("eval")[1:])
    tip = page.text("tip")
    expect("a frame pointed at tells its cost and share", "900" in tip and "90.00" in tip and "eval" in tip, True)
    expect("the tip is seen", browser.evaluate("!document.getElementById('tip').hidden"), True)

    browser.evaluate("document.getElementById('flame').focus()")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        browser.key(key)
    expect("keys zoom", page.width("eval"), 1.0)
    browser.key("Backspace")
    expect("and go back", page.width("eval"), 0.9)

    search = "document.getElementById('search')"
    browser.type_into(search, "EVAL")
    expect("the search tells the share found, once for frames within each other", page.text("found"),
           "90.00\u2009% found")
    expect("what was found stands out", (page.colour("eval"), page.colour("main")), ("purple", "warm"))
    browser.type_into(search, "")
    expect("an empty search finds nothing", (page.text("found"), page.colour("eval")), ("", "warm"))

    page.button("#columns button", "Inclusive")
    expect("functions by inclusive cost", page.first_name(), "main")
    page.button("#columns button", "Inclusive")
    expect("a second click turns the order round", page.first_name() == "main", False)
    page.button("#columns button", "Calls")
    expect("functions by calls", page.first_name(), "eval")
    browser.click("document.querySelector('#functions tr')")
    expect("a clicked function is found in the graph", page.colour("eval"), "purple")
    browser.click("document.querySelector('#functions tr')")
    expect("and no more after a second click", page.colour("eval"), "warm")
    browser.type_into("document.getElementById('filter')", "ceval")
    expect("filtered", page.names(), ["eval"])
    browser.type_into("document.getElementById('filter')", "")

    page.button("nav button", "sh")
    expect("another process", page.text("process"), "100 /bin/sh")
    expect("without stacks the page says so", "No stacks" in page.text("flame-note"), True)


def look_at_heap(page):
    browser = page.browser
    page.button("nav button", "true")
    expect("the heap's stacks and the peak have tabs",
           browser.evaluate("[...document.querySelectorAll('#views button')].map(b => b.textContent)"),
           ["Total bytes", "Snapshot 1 (peak)"])
    expect("Python frames have their own colour", (page.colour("load (app.py:12)"), page.colour("grow")),
           ("blue", "warm"))
    expect("a legend says which", page.text("flame-legend"), "Pythonnative")
    expect("three quarters were allocated by Python", page.width("<module> (app.py:3)"), 0.7)
    expect("the highest point is told", "4.19 KiB" in page.text("memory-detail"), True)
    expect("heap, its own and stacks are areas", page.count("#memory-chart polygon"), 3)
    browser.click("document.querySelector('.dot[data-snapshot=\"2\"]')")
    expect("a clicked snapshot shows its flame graph", page.width("keep (x.c:30)"), 1.0)
    page.button("#views button", "peak")
    expect("the peak's", page.width("main (x.c:20)"), 0.73)
    expect("functions of the peak", page.first_name(), "grow</script>")
    expect("leaks by size", page.count("#leak-records tr"), 2)
    page.button("#leak-sums button", "still reachable")
    expect("leaks of one kind", browser.evaluate("document.querySelector('#leak-records summary').textContent"),
           "keep (x.c:30)")
    page.button("#leak-sums button", "still reachable")
    browser.click("document.querySelector('#leak-records summary')")
    expect("a leak opens to its stack",
           browser.evaluate("document.querySelector('#leak-records ol').getBoundingClientRect().height > 40"), True)
    browser.type_into("document.getElementById('leak-filter')", "app.py")
    expect("leaks by a name in their stack", page.count("#leak-records tr"), 1)
    browser.type_into("document.getElementById('leak-filter')", "")
    expect("no name ran as a script", browser.evaluate("document.title"), "vsup: sh")
    expect("no name became an element", page.count("img") + page.count("body script"), 2)


def look_at_large(page):
    browser = page.browser
    expect("a large graph", browser.evaluate("flame.name.length > 100000"), True)
    expect("only what is wide enough is drawn", browser.evaluate("flame.boxes.length < 40000"), True)
    for _ in range(6):
        browser.evaluate("flame.zoom(flame.children[flame.focus][0])")
    expect("zoomed in", browser.evaluate("flame.focus > 0"), True)
    x, y = browser.evaluate("(() => { const c = document.getElementById('flame'); c.scrollIntoView({block: 'start'}); "
                            "const r = c.getBoundingClientRect(); return [r.x + 3, r.y + 9]; })()")
    browser.click_at(x, y)
    expect("a click on the top row shows all", browser.evaluate("flame.focus"), 0)
    expect("the table is not far below",
           browser.evaluate("document.getElementById('columns').getBoundingClientRect().top - "
                            "document.getElementById('flame-box').getBoundingClientRect().top < 1000"), True)


def main():
    program = find_browser()
    if not program:
        print("there is no Chromium")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "report.html")
        subprocess.run([sys.argv[1], "-tc=report page: a file for the browser*"], check=True,
                       env=dict(os.environ, VSUP_REPORT_PAGE=path), stdout=subprocess.DEVNULL)
        browser = Browser(program, os.path.join(folder, "profile"))
        pictures = os.environ.get("VSUP_SCREENSHOTS")
        try:
            for scheme in ("light", "dark"):
                page = Page(browser, path)
                browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                look_at_profile(page)
                look_at_heap(page)
                page.finish()
                if pictures:
                    browser.screenshot(os.path.join(pictures, f"heap-{scheme}.png"))
                    page.button("nav button", "python3")
                    browser.screenshot(os.path.join(pictures, f"profile-{scheme}.png"))
            page = Page(browser, path + ".large.html")
            look_at_large(page)
            if pictures:
                browser.screenshot(os.path.join(pictures, "large.png"))
            page.finish()
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
