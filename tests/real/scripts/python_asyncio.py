# asyncio: timers, queues, sockets, subprocesses, executors and signals.
import asyncio
import os
import signal


async def producer(queue, n):
    for i in range(200):
        await queue.put(n * 1000 + i)
        if i % 50 == 0:
            await asyncio.sleep(0.001)


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def main():
    queue = asyncio.Queue(10)
    tasks = [asyncio.create_task(producer(queue, n)) for n in range(5)]
    print(sum([await queue.get() for _ in range(1000)]))
    await asyncio.gather(*tasks)
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def client(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for i in range(20):
            writer.write(f"message {n} {i}\n".encode())
            answers.append((await reader.readline()).decode().strip())
        writer.close()
        return answers[-1]
    print(await asyncio.gather(*(client(n) for n in range(6))))
    server.close()
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "cat; exit 4", stdin=asyncio.subprocess.PIPE,
                                                   stdout=asyncio.subprocess.PIPE)
    print(await process.communicate(b"to a child"), process.returncode)
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(got.wait(), 10)
    print(await asyncio.get_running_loop().run_in_executor(None, sum, range(1000)))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError:
        print("timeout")

asyncio.run(main())
