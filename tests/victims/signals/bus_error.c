// SIGBUS beyond the end of a mapped file: code and address.
// EXPECT: bus ok
#include "../victim.h"
#include <setjmp.h>
static sigjmp_buf back;
static volatile uint64_t address;
static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(info->si_code == BUS_ADRERR);
  address = (uint64_t)info->si_addr;
  siglongjmp(back, 1);
}
int main(void) {
  on_signal(SIGBUS, handler);
  int fd = memfd_create("short", 0);
  CHECK(ftruncate(fd, 4096) == 0);
  char* map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  EACH_ROUND {
    if (sigsetjmp(back, 1) == 0) map[5000] = 1;
    CHECK(address == (uint64_t)map + 5000);
  }
  puts("bus ok");
}
