# threading: locks, queues, conditions, events, thread pools, timers and thread-local data.
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

total, lock, local = 0, threading.Lock(), threading.local()


def add():
    global total
    local.mine = 0
    for _ in range(2000):
        with lock:
            total += 1
        local.mine += 1
    assert local.mine == 2000


threads = [threading.Thread(target=add) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(total)
work, results = queue.Queue(), queue.Queue()


def worker():
    while (item := work.get()) is not None:
        results.put(item * item)


threads = [threading.Thread(target=worker) for _ in range(4)]
[t.start() for t in threads]
for i in range(2000):
    work.put(i)
for _ in threads:
    work.put(None)
[t.join() for t in threads]
print(sum(results.get() for _ in range(2000)))
with ThreadPoolExecutor(6) as pool:
    print(sum(pool.map(lambda n: sum(range(n)), range(300))))
event = threading.Event()
threading.Timer(0.05, event.set).start()
print(event.wait(10), threading.active_count() >= 1)
for _ in range(200):
    t = threading.Thread(target=lambda: None)
    t.start()
    t.join()
barrier = threading.Barrier(5)
passed = []
threads = [threading.Thread(target=lambda: (barrier.wait(), passed.append(1))) for _ in range(5)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(passed))
