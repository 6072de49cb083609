# signal: handlers, timers, wakeups, masks and waits, with python code interrupted everywhere.
import os
import signal
import threading
import time

ticks = 0


def handler(number, frame):
    global ticks
    ticks += 1


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
total = 0
while ticks < 50:
    total = sum(i * i for i in range(500))
signal.setitimer(signal.ITIMER_REAL, 0)
print(total, ticks >= 50)
signal.signal(signal.SIGUSR1, handler)
before = ticks
for _ in range(100):
    os.kill(os.getpid(), signal.SIGUSR1)
print(ticks - before)
start = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.02)
time.sleep(0.1)
print(time.monotonic() - start >= 0.1)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR2)).start()
info = signal.sigwaitinfo({signal.SIGUSR2})
print(info.si_signo == signal.SIGUSR2, info.si_pid == os.getpid())
try:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
except KeyboardInterrupt:
    print("interrupted")
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
