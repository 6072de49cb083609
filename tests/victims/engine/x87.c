// x87 arithmetic, control word, comparisons and transcendental functions keep the register stack in order.
// EXPECT: sum -2.3271 control 37f
#include "../victim.h"
#include <math.h>
int main(void) {
  long double sum = 0;
  unsigned short control = 0;
  EACH_ROUND {
    sum = 0;
    for (int i = 1; i < 100; ++i) {
      long double x = i, y;
      __asm__ volatile("fldt %1; fsqrt; fsin; fldt %1; fprem1; fabs; faddp; fstpt %0" : "=m"(y) : "m"(x));
      sum += y - (i % 3 == 0);
      __asm__ volatile("fldt %1; fld1; fcomip %%st(1), %%st; fcmovb %%st(0), %%st; fstpt %0" : "=m"(y) : "m"(x) : "cc");
      CHECK(y == x);
    }
    __asm__ volatile("fnstcw %0" : "=m"(control));
    unsigned short narrow = (unsigned short)((control & ~0xc00) | 0xc00);
    int truncated;
    double value = 2.9;
    __asm__ volatile("fldcw %1; fldl %2; fistpl %0; fldcw %3" : "=m"(truncated) : "m"(narrow), "m"(value), "m"(control));
    CHECK(truncated == 2);
  }
  printf("sum %.4Lf control %x\n", sum, control);
}
