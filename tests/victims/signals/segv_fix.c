// A SIGSEGV handler makes the page accessible and returns; the access then completes.
// EXPECT: fixed 200
#include "../victim.h"
static char* page;
static volatile int fixed;
static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(info->si_addr == page + 100 && info->si_code == SEGV_ACCERR);
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
  ++fixed;
}
int main(void) {
  page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  on_signal(SIGSEGV, handler);
  for (int i = 0; i < 200; ++i) {
    page[100] = (char)i;
    CHECK(page[100] == (char)i);
    mprotect(page, 4096, PROT_NONE);
  }
  printf("fixed %d\n", fixed);
}
