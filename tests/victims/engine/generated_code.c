// Generated code in all the ways that JIT compilers write it: rwx, mprotect back and forth, two mappings of one memfd,
// and addresses used again after munmap.
// EXPECT: generated ok
#include "../victim.h"
typedef uint32_t (*Function)(void);
int main(void) {
  uint32_t n = 0;
  int fd = memfd_create("jit", 0);
  CHECK(ftruncate(fd, 8192) == 0);
  uint8_t* writable = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  uint8_t* executable = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  uint8_t* flip = code_pages(4096);
  uint8_t* rwx = code_pages(65536);
  EACH_ROUND {
    for (int i = 0; i < 50; ++i, ++n) {
      put_return(writable + 128, n);
      CHECK(((Function)(executable + 128))() == n);
      CHECK(mprotect(flip, 4096, PROT_READ | PROT_WRITE) == 0);
      put_return(flip, n ^ 7);
      CHECK(mprotect(flip, 4096, PROT_READ | PROT_EXEC) == 0);
      CHECK(((Function)flip)() == (n ^ 7));
      for (int k = 0; k < 20; ++k) put_return(rwx + k * 16, n + k);
      for (int k = 0; k < 20; ++k) CHECK(((Function)(rwx + k * 16))() == n + k);
      uint8_t* fresh = code_pages(4096);
      put_return(fresh, n * 3);
      CHECK(((Function)fresh)() == n * 3);
      munmap(fresh, 4096);
    }
  }
  puts("generated ok");
}
