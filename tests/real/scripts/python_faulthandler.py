# faulthandler: stacks after real faults in children, and dumps on a signal and after a delay.
import faulthandler
import re
import subprocess
import sys
import tempfile
import time

for fault in ("_sigsegv", "_sigabrt", "_sigfpe", "_stack_overflow", "_read_null"):
    p = subprocess.run([sys.executable, "-X", "faulthandler", "-c", f"import faulthandler\ndef f():\n    faulthandler.{fault}()\nf()"],
                       capture_output=True, text=True)
    print(fault, p.returncode, re.sub(r"0x[0-9a-f]+", "ADDRESS", p.stderr.splitlines()[0]), "in f" in p.stderr)
with tempfile.TemporaryFile("w+") as f:
    faulthandler.dump_traceback_later(0.05, file=f)
    time.sleep(0.2)
    f.seek(0)
    print("Timeout" in f.read())
