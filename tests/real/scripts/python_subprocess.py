# subprocess: pipes, shells, exit codes, signals, timeouts, many short children.
import signal
import subprocess

print(subprocess.run("echo out; echo err >&2; exit 3", shell=True, capture_output=True))
p = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(len(p.communicate(b"x" * 200000)[0]), p.returncode)
print([subprocess.call(["/bin/sh", "-c", f"exit {i}"]) for i in range(10)])
print(subprocess.call(["/bin/sh", "-c", "kill -TERM $$"]) == -signal.SIGTERM)
try:
    subprocess.run(["/bin/sleep", "10"], timeout=0.1)
except subprocess.TimeoutExpired as error:
    print("timeout", error.cmd)
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError as error:
    print(error)
a = subprocess.Popen(["seq", "1", "1000"], stdout=subprocess.PIPE)
b = subprocess.Popen(["sort", "-rn"], stdin=a.stdout, stdout=subprocess.PIPE)
a.stdout.close()
print(b.communicate()[0].split()[:3], a.wait())
