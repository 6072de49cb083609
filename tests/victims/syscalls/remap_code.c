// Other code at the same address: after munmap and mmap, MAP_FIXED over it, mremap onto it, and a file mapped there.
// EXPECT: remapped ok
#include "../victim.h"
typedef uint32_t (*Function)(void);
int main(void) {
  uint8_t* place = code_pages(4096);
  uint32_t n = 0;
  int fd = memfd_create("code", 0);
  CHECK(ftruncate(fd, 4096) == 0);
  EACH_ROUND {
    for (int i = 0; i < 10; ++i) {
      put_return(place, ++n);
      CHECK(((Function)place)() == n);
      munmap(place, 4096);
      CHECK(mmap(place, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place);
      put_return(place, ++n);
      CHECK(((Function)place)() == n);
      uint8_t bytes[6];
      put_return(bytes, ++n);
      CHECK(pwrite(fd, bytes, 6, 0) == 6);
      CHECK(mmap(place, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) == place);
      CHECK(((Function)place)() == n);
      uint8_t* other = code_pages(4096);
      put_return(other, ++n);
      CHECK(((Function)other)() == n);
      CHECK(mremap(other, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
      CHECK(((Function)place)() == n);
    }
  }
  puts("remapped ok");
}
