// brk up and down, large mremap, a 1 GiB reservation, MAP_GROWSDOWN and madvise.
// EXPECT: memory ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    char* start = sbrk(0);
    for (int i = 0; i < 100; ++i) {
      char* p = sbrk(65536);
      CHECK(p != (void*)-1);
      p[0] = p[65535] = (char)i;
    }
    CHECK(sbrk(0) == start + 6553600);
    CHECK(brk(start) == 0 && sbrk(0) == start);
    size_t size = 1 << 20;
    char* map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map[0] = 'a', map[size - 1] = 'b';
    for (int i = 0; i < 8; ++i) {
      map = mremap(map, size, size * 2, MREMAP_MAYMOVE);
      CHECK(map != MAP_FAILED);
      size *= 2;
      map[size - 1] = 'c';
      CHECK(map[0] == 'a' && map[(1 << 20) - 1] == 'b');
    }
    munmap(map, size);
    map = mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(map != MAP_FAILED);
    map[1ul << 29] = 1;
    CHECK(madvise(map, 1ul << 30, MADV_DONTNEED) == 0 && map[1ul << 29] == 0);
    munmap(map, 1ul << 30);
    map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(map != MAP_FAILED && (uint64_t)map < 0x80000000);
    munmap(map, 65536);
  }
  puts("memory ok");
}
