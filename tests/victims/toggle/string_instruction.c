// Switched in the middle of long rep movs and rep stos.
// MODES: default, no-link, tiny-cache
// EXPECT: strings right
#include "toggle.h"
static volatile int stop;
static void* strings(void* unused) {
  size_t size = 32 << 20;
  uint8_t *from = malloc(size), *to = malloc(size);
  uint8_t turn = 0;
  while (!stop) {
    ++turn;
    void* d = from;
    size_t n = size;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(turn) : "memory");
    CHECK(d == from + size && n == 0);
    void* s = from;
    d = to, n = size;
    __asm__ volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n)::"memory");
    CHECK(d == to + size && s == from + size && n == 0 && to[0] == turn && to[size / 2] == turn && to[size - 1] == turn);
  }
  return NULL;
}
int main(void) {
  toggle_open();
  pthread_t thread;
  pthread_create(&thread, NULL, strings, NULL);
  for (int i = 0; i < 60; ++i) {
    toggle(i % 2);
    usleep(500);
  }
  stop = 1;
  pthread_join(thread, NULL);
  puts("strings right");
}
