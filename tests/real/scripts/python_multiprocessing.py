# multiprocessing by fork and by spawn: pools, queues, pipes, shared values, locks.
import multiprocessing as mp


def square(n):
    return n * n


def child(connection, value, lock):
    for _ in range(100):
        with lock:
            value.value += 1
    connection.send(connection.recv()[::-1])
    connection.close()


def main():
    for method in ("fork", "spawn"):
        context = mp.get_context(method)
        with context.Pool(3) as pool:
            print(method, sum(pool.map(square, range(500), chunksize=20)))
        value, lock = context.Value("i", 0), context.Lock()
        ends, processes = [], []
        for i in range(3):
            mine, other = context.Pipe()
            process = context.Process(target=child, args=(other, value, lock))
            process.start()
            mine.send("message %d" % i)
            ends.append(mine)
            processes.append(process)
        print([end.recv() for end in ends])
        for process in processes:
            process.join()
        print(value.value, [process.exitcode for process in processes])


if __name__ == "__main__":
    main()
