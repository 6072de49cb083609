// Switched when the process's first thread has ended, whose files in /proc say nothing then: code that was mapped anew
// in native code is seen in the cache.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: leaderless right
#include "toggle.h"
typedef uint32_t (*Function)(void);
static void* lives_on(void* leader) {
  pthread_join(*(pthread_t*)leader, NULL);
  toggle_open();
  uint8_t* place = code_pages(4096);
  for (uint32_t i = 0; i < 20; ++i) {
    toggle(0);
    char name[] = "code-XXXXXX";
    int fd = mkstemp(name);
    uint8_t bytes[6];
    put_return(bytes, i);
    CHECK(ftruncate(fd, 4096) == 0 && pwrite(fd, bytes, 6, 0) == 6);
    CHECK(mmap(place, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) == place);
    close(fd);
    toggle(1);  // the file is there: what is mapped of it counts as unchanging
    CHECK(((Function)place)() == i);
    unlink(name);
  }
  puts("leaderless right");
  exit(0);
}
int main(void) {
  static pthread_t leader;
  leader = pthread_self();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, lives_on, &leader) == 0);
  pthread_exit(NULL);
}
