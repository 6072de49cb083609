from libc.stdlib cimport malloc

cdef void* raw(size_t n) nogil:
    cdef void* block = malloc(n)
    if block == NULL:
        with gil:
            raise MemoryError()
    (<char*>block)[0] = 1
    return block

cdef class Holder:
    cdef void* block
    def __cinit__(self, size_t n):
        self.block = raw(n)

    def grow(self, int n):
        items = []
        for i in range(n):
            items.append(bytes(1000))
        return items

def lose(n):
    raw(n)

def call(function):
    return function()

def numbers(n):
    for i in range(n):
        yield bytes(3000)

kept = bytes(4000 + len(__name__))
