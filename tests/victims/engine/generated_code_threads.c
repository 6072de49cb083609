// One thread writes new versions of a function (a 64-bit store each, as JIT compilers patch), others call it meanwhile.
// EXPECT: last version seen by all
#include "../victim.h"
static uint8_t* page;
static volatile int stop;
static void* caller(void* unused) {
  uint32_t last = 0;
  while (!stop) {
    uint32_t now = ((uint32_t (*)(void))page)();
    CHECK(now >= last);
    last = now;
  }
  return (void*)(uintptr_t)((uint32_t (*)(void))page)();
}
int main(void) {
  page = code_pages(4096);
  put_return(page, 0);
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, caller, NULL);
  uint32_t version = 0;
  while (version < 500 || elapsed_ms() < 100) {
    ++version;
    uint8_t bytes[8] = {0, 0, 0, 0, 0, 0, 0x90, 0x90};
    put_return(bytes, version);
    uint64_t word;
    memcpy(&word, bytes, 8);
    __atomic_store_n((uint64_t*)page, word, __ATOMIC_SEQ_CST);
    usleep(20);
  }
  stop = 1;
  for (int i = 0; i < 2; ++i) {
    void* seen;
    pthread_join(threads[i], &seen);
    CHECK((uint32_t)(uintptr_t)seen == version);
  }
  puts("last version seen by all");
}
