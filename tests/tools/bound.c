// Calls functions through an entry as a linkage table has them, whose slot is bound anew before each call: 1,500 times
// the first, 750 times each of the others.

void first(void);
void second(void);
void third(void);

__asm__(
    ".pushsection .data\n"
    "slot: .quad first\n"
    ".popsection\n"
    ".globl entry\n"
    ".type entry, @function\n"
    "entry:\n"
    "  endbr64\n"
    "  jmp *slot(%rip)\n"
    ".size entry, . - entry\n");

extern void (*volatile slot)(void);
void entry(void);

static volatile int sum;

__attribute__((noinline)) void first(void) {
  sum += 1;
}

__attribute__((noinline)) void second(void) {
  sum += 2;
}

__attribute__((noinline)) void third(void) {
  sum += 3;
}

__attribute__((noinline)) void calls(void (*callee)(void)) {
  slot = callee;
  entry();
}

int main(void) {
  for (int i = 0; i < 750; ++i) {
    calls(first);
    calls(second);
    calls(first);
    calls(third);
  }
  return sum != 750 * 7;
}
