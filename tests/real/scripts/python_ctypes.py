# ctypes: libffi closures called back by C, structures, errno, many callbacks made and freed.
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
calls = 0


def compare(a, b):
    global calls
    calls += 1
    return a[0] - b[0]


numbers = (ctypes.c_int * 2000)(*[(i * 7919) % 10007 for i in range(2000)])
libc.qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), compare_type(compare))
print(list(numbers[:10]), list(numbers) == sorted(numbers), calls > 2000)
callback_type = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.c_double)
total = 0.0
for i in range(3000):
    total += callback_type(lambda n, x, i=i: n * x + i)(i, 0.25)
print(total)


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_long), ("z", ctypes.c_char * 5)]


libm = ctypes.CDLL("libm.so.6")
libm.pow.restype = ctypes.c_double
libm.pow.argtypes = [ctypes.c_double, ctypes.c_double]
print(libm.pow(2.0, 0.5), ctypes.sizeof(Point), libc.open(b"/no/such", 0), ctypes.get_errno())
buffer = ctypes.create_string_buffer(64)
libc.snprintf(buffer, 64, b"%d %s %.3f", 5, b"text", ctypes.c_double(1.5))
print(buffer.value)
