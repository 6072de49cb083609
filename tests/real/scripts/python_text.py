# json, re, float loops, sorting, strings, dictionaries, zlib and hashlib.
import hashlib
import json
import math
import random
import re
import zlib

random.seed(7)
data = {f"key{i}": [random.random() for _ in range(5)] + [{"n": i, "s": "x" * (i % 17)}] for i in range(3000)}
text = json.dumps(data, sort_keys=True)
print(hashlib.sha256(text.encode()).hexdigest(), json.loads(text) == data)
words = re.findall(r"[a-z]+\d+", text)
print(len(words), len(re.sub(r"(\d)\.(\d+)", r"\2,\1", text)), len(re.split(r"[,\s]+", text)))
total = 0.0
for i in range(1, 200000):
    total += math.sin(i) / math.sqrt(i)
print(f"{total:.12f}")
numbers = [random.randrange(10 ** 9) for _ in range(50000)]
print(sum(a * (i % 7) for i, a in enumerate(sorted(numbers))), len(zlib.compress(text.encode(), 6)))
print(pow(3, 20000, 10 ** 50 + 151), math.factorial(800) % (10 ** 40 + 7))
