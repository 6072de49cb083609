"""Holds objects of known sizes, by functions with known lines.

With an argument: works on until its standard input ends, with tracemalloc in front of the allocators now and then, and
checks itself.
"""
import gc
import sys
import tracemalloc


class Node:
    __slots__ = ("left", "right")

    def __init__(self, depth):
        self.left = Node(depth - 1) if depth else None
        self.right = Node(depth - 1) if depth else None

    def count(self):
        return 1 + (self.left.count() + self.right.count() if self.left else 0)


def hold_bytes():
    kept = [None] * 10000
    for i in range(10000):
        kept[i] = bytes(100)
    return kept


def hold_texts():
    return [f"text number {i}" for i in range(3000)]


def hold_generated():
    def generate():
        for i in range(2000):
            yield [i, i]
    return list(generate())


def hold_sorted():
    kept = []
    return sorted(range(500), key=lambda i: kept.append(bytes(300)) or -i) + kept


def hold_large():
    return bytearray(8 << 20)


def main():
    kept = [hold_bytes(), hold_texts(), hold_generated(), hold_sorted(), Node(9)]
    kept.append(hold_large())
    print(sum(len(part) for part in kept if not isinstance(part, Node)), kept[4].count())


def work():
    print("working", flush=True)
    rounds = 0
    while not select_input():
        rounds += 1
        if rounds % 3 == 0:
            tracemalloc.start(5)
        tree = Node(6)
        texts = {f"key {i}": [str(i)] * (i % 9) for i in range(500)}
        if tree.count() != 127 or sum(len(v) for v in texts.values()) != sum(i % 9 for i in range(500)):
            sys.exit("wrong")
        if rounds % 3 == 1:
            tracemalloc.stop()
        del tree, texts
        gc.collect()
    print("worked", rounds > 0)


def select_input():
    import select
    return select.select([sys.stdin], [], [], 0)[0]


if __name__ == "__main__":
    work() if len(sys.argv) > 1 else main()
