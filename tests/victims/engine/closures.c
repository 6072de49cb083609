// Trampolines as libffi makes them: written, called, freed, and their memory used for other ones.
// EXPECT: closures ok
#include "../victim.h"
struct Closure {
  uint8_t code[32];
};
static long body(long argument, long bound) { return argument * 1000 + bound; }
static void bind(struct Closure* closure, long bound) {
  uint8_t* p = closure->code;
  void* target = body;
  *p++ = 0x48, *p++ = 0xbe, memcpy(p, &bound, 8), p += 8;   // mov rsi, bound
  *p++ = 0x48, *p++ = 0xb8, memcpy(p, &target, 8), p += 8;  // mov rax, body
  *p++ = 0xff, *p++ = 0xe0;                                 // jmp rax
}
int main(void) {
  struct Closure* pool = (struct Closure*)code_pages(4096);
  unsigned seed = 1;
  EACH_ROUND {
    for (int i = 0; i < 3000; ++i) {
      seed = seed * 1103515245 + 12345;
      struct Closure* closure = &pool[seed >> 16 & 127];
      bind(closure, i);
      CHECK(((long (*)(long))closure->code)(i & 7) == (i & 7) * 1000 + i);
    }
  }
  puts("closures ok");
}
