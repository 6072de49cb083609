// Switched while a thread writes and calls generated code: what changed while native is seen in the cache.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: generated right
#include "toggle.h"
typedef uint32_t (*Function)(void);
static volatile int stop;
static void* generates(void* unused) {
  uint8_t* code = code_pages(4096);
  for (uint32_t i = 0; !stop; ++i) {
    put_return(code + (i % 8) * 16, i);
    CHECK(((Function)(code + (i % 8) * 16))() == i);
    if (i % 16 == 15) {
      munmap(code, 4096);
      CHECK(mmap(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
    }
  }
  return NULL;
}
int main(void) {
  toggle_open();
  uint8_t* own = code_pages(4096);
  pthread_t thread;
  pthread_create(&thread, NULL, generates, NULL);
  for (uint32_t i = 0; i < 60; ++i) {
    toggle(i % 2);
    put_return(own, i);
    CHECK(((Function)own)() == i);
  }
  stop = 1;
  pthread_join(thread, NULL);
  puts("generated right");
}
