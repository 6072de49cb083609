// The app's own GS base survives switches.
// NEEDS: fsgsbase
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: gs right
#include <asm/prctl.h>
#include "toggle.h"
int main(void) {
  toggle_open();
  uint64_t area[4] = {1, 2, 3, 4}, value, base;
  CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, area) == 0);
  for (int i = 0; i < 20; ++i) {
    toggle(i % 2);
    __asm__ volatile("movq %%gs:16, %0; incq %%gs:0" : "=r"(value)::"memory", "cc");
    CHECK(value == 3 && area[0] == (uint64_t)i + 2);
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0 && base == (uint64_t)area);
  }
  puts("gs right");
}
