// abort() with a SIGABRT handler that returns: the process ends by SIGABRT all the same.
// EXPECT: handler ran
// EXIT: SIGABRT
#include "../victim.h"
static void handler(int signal, siginfo_t* info, void* context) { write(1, "handler ran\n", 12); }
int main(void) {
  on_signal(SIGABRT, handler);
  usleep(20000);
  abort();
}
