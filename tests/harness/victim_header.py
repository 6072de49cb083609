"""Reads the comment header of a victim (see tests/victims/README.md).

Promises: a pure function of the source text; unknown keys are an error, so that a misspelt one is not ignored.
"""
import re

# Mode name -> options of vsup that make it. `native` runs without vsup; those that end in toggle are driven from
# outside.
MODE_OPTIONS = {
    "native": None,
    "default": [],
    "one-instruction": ["--max-block-instructions=1"],
    "no-link": ["--link=no"],
    "tiny-cache": ["--cache-limit=65536"],
    "flush-every": ["--flush-every=50"],
    "toggle": [],
    "check-all": ["--smc-check=all"],
    "verify": ["--verify-fragments=yes"],
    "callgrind": ["--tool=callgrind"],
    "callgrind-toggle": ["--tool=callgrind", "--collapsed=yes"],
    "callgrind-plain-toggle": ["--tool=callgrind", "--verify-fragments=yes"],
    "cachegrind": ["--tool=cachegrind", "--cache-sim=yes", "--branch-sim=yes"],
    "massif": ["--tool=massif"],
    "massif-toggle": ["--tool=massif"],
    "massif-cache": ["--tool=massif", "--time-unit=i"],
    "massif-cache-toggle": ["--tool=massif", "--stacks=yes"],
}
KEYS = {"RUN", "ARGS", "ENV", "STDIN", "MODES", "SKIP", "EXPECT", "EXPECT~", "EXIT", "NEEDS", "TIMEOUT", "BUILD",
        "CFLAGS", "LIBS"}
LINE = re.compile(r"^(?://|#|\*|;)\s*([A-Z]+~?): ?(.*)$")


class Header:
    def __init__(self, path):
        self.path = path
        self.values = {}
        with open(path, encoding="utf-8") as f:
            for line in f:
                if not line.startswith(("//", "#", "*", ";")) or line.startswith("#include"):
                    break
                match = LINE.match(line.rstrip("\n"))
                if match:
                    if match.group(1) not in KEYS:
                        raise ValueError(f"{path}: unknown header key {match.group(1)}")
                    self.values.setdefault(match.group(1), []).append(match.group(2))

    def one(self, key, default=""):
        return self.values.get(key, [default])[-1]

    def options(self):
        """Tool and options for vsup."""
        words = self.one("RUN", "none").split()
        return ["--tool=" + words[0]] + words[1:]

    def modes(self):
        listed = [m.strip() for m in self.one("MODES", "").split(",") if m.strip()]
        skipped = [line.split()[0].rstrip(":") for line in self.values.get("SKIP", [])]
        modes = ["native"] + [m for m in (listed or MODE_OPTIONS) if m != "native"]
        for mode in modes + skipped:
            if mode not in MODE_OPTIONS:
                raise ValueError(f"{self.path}: unknown mode {mode}")
        return [m for m in modes if m not in skipped]

    def expected(self):
        """Pairs (is_pattern, text) in file order per kind; a victim uses one kind or the other."""
        return [(False, line) for line in self.values.get("EXPECT", [])] + \
               [(True, line) for line in self.values.get("EXPECT~", [])]

    def mismatch(self, output):
        """None if the output is what the header says, else one line that says what differs."""
        lines = output.splitlines()
        expected = self.expected()
        for number, (pattern, text) in enumerate(expected):
            got = lines[number] if number < len(lines) else None
            same = got is not None and (re.fullmatch(text, got) is not None if pattern else got == text)
            if not same:
                return f"line {number + 1}: expected {text!r}, got {got!r}"
        if len(lines) > len(expected):
            return f"unexpected line {len(expected) + 1}: {lines[len(expected)]!r}"
        return None
