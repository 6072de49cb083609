/* Pages taken by mmap, mremap and brk, and given back in part. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static __attribute__((noinline)) char* take(size_t size) {
  char* place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memset(place, 1, size);
}

int main(void) {
  char* first = take(100 * 4096);
  char* second = take(50 * 4096 + 1);
  munmap(first + 10 * 4096, 20 * 4096);
  second = mremap(second, 51 * 4096, 30 * 4096, 0);
  char* more = sbrk(70000);
  char* third = take(2000 * 4096);
  int sum = first[0] + second[0] + third[0] + (more == NULL);
  munmap(third, 2000 * 4096);
  sbrk(-30000);
  return sum == 3 ? 0 : 1;
}
