// Memory that the program mapped itself holds pointers: private, shared, of a file, and read-only.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void keep(int flags, int fd, size_t size) {
  void** memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, flags, fd, 0);
  memory[100] = memset(malloc(size), 1, size);
}

int main(void) {
  char name[] = "/tmp/vsup-leaks-XXXXXX";
  int fd = mkstemp(name);
  if (fd < 0 || ftruncate(fd, 8192) != 0) return 1;
  unlink(name);
  keep(MAP_PRIVATE | MAP_ANONYMOUS, -1, 101);
  keep(MAP_SHARED | MAP_ANONYMOUS, -1, 102);
  keep(MAP_SHARED, fd, 103);
  void** memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memory[1] = memset(malloc(104), 1, 104);
  mprotect(memory, 4096, PROT_READ);
  memory = NULL;
  return 0;
}
