#!/usr/bin/python3
"""`cmake --install` gives a tree that works by itself: programs, manual pages that tell every option, completions.

Usage: install.py CMAKE BUILD_FOLDER SOURCE_FOLDER.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

CMAKE, BUILD, SOURCE = sys.argv[1], os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3])


def check(condition, message):
    if not condition:
        raise SystemExit(message)
    print("ok:", message.split(":")[0])


def run(*command, env=None):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    check(result.returncode == 0, f"{' '.join(map(os.path.basename, command[:2]))}: status {result.returncode}: "
                                  f"{result.stdout[-500:]} {result.stderr[-500:]}")
    return result.stdout


def manual(path):
    """The page's text, without what is written for the formatter."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(text.startswith(".TH "), f"{os.path.basename(path)} is a manual page: {text[:40]!r}")
    text = re.sub(r"\\f[A-Z]", "", text).replace("\\-", "-").replace("\\~", " ").replace("\\&", "")
    # Words of one line in changing fonts belong together.
    joined = []
    for line in text.splitlines():
        match = re.match(r"\.(BI|IB|BR|RB|IR|RI) (.*)", line)
        if match:
            line = "".join(a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', match[2]))
        joined.append(line)
    return "\n".join(joined)


def main():
    with tempfile.TemporaryDirectory(prefix="vsup-install-") as prefix:
        run(CMAKE, "--install", BUILD, "--prefix", prefix)
        programs = os.path.join(prefix, "bin")
        vsup, vctl = os.path.join(programs, "vsup"), os.path.join(programs, "vctl")
        state = os.path.join(prefix, "state")
        os.mkdir(os.path.join(prefix, "run"), 0o700)
        env = {"PATH": programs + ":/usr/bin:/bin", "XDG_STATE_HOME": state, "HOME": prefix,
               "XDG_RUNTIME_DIR": os.path.join(prefix, "run")}

        version = run(vsup, "--version", env=env).split()[-1]
        check(run(vctl, "--version", env=env).split()[-1] == version, "vsup and vctl are of one version")
        check(run(vsup, "-q", "--tool=callgrind", "echo", "hello", env=env) == "hello\n", "a program runs")
        page = run(vctl, "report", env=env).strip()
        check(os.path.getsize(page) > 10_000, "vctl finds vsup beside it and has it report")

        for program in ("vsup", "vctl"):
            path = os.path.join(prefix, "share/man/man1", program + ".1")
            text = manual(path)
            options = [line.split("\t")[0].rstrip("=") for line in
                       run(os.path.join(programs, program), "--list-options", env=env).splitlines()]
            missing = [option for option in options
                       if not re.search(r"(?<![\w-])" + re.escape(option) + r"(?![\w-])", text)]
            check(len(options) > 10 and not missing, f"{program}.1 tells every option: not {missing}")
            if shutil.which("groff"):
                said = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", path], capture_output=True, text=True,
                                      check=True).stderr
                check(not said, f"{program}.1 is well formed: {said[:500]}")
            script = (f'source "{prefix}/share/bash-completion/completions/{program}"; compopt() {{ :; }}; '
                      f'COMP_LINE="{program} --v"; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({program} --v); '
                      'COMP_CWORD=1; '
                      f'_{program}; echo "${{COMPREPLY[@]}}"')
            check("--version" in run("bash", "--norc", "-c", script, env=env), f"{program} is completed")

        front_ends = os.path.join(prefix, "libexec", "vsup", "compat")
        old = dict(env, PATH=front_ends + ":" + env["PATH"])
        check(run("valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + os.path.join(prefix, "old"), "echo",
                  "hello", env=old) == "hello\n" and os.path.exists(os.path.join(prefix, "old")),
              "the installed valgrind front-end finds vsup")
        check("No active" in run("callgrind_control", env=old), "callgrind_control finds vctl")

        kept = glob.glob(os.path.join(SOURCE, "suppressions", "*.supp"))
        installed = glob.glob(os.path.join(prefix, "share", "**", "*.supp"), recursive=True)
        check({os.path.basename(p) for p in kept} == {os.path.basename(p) for p in installed},
              f"every suppression file is installed: {kept} {installed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
