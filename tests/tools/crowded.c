// More places of calls, or more blocks, than callgrind has room for.
//
//   crowded calls N   generates code that calls a function from N places, and runs it twice
//   crowded blocks N  the same of N jumps to the next instruction
//
// Prints where the code is.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int calls = strcmp(argv[1], "calls") == 0;
  const long count = atol(argv[2]), size = calls ? 5 : 2;
  uint8_t* code = mmap(NULL, count * size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return 1;
  uint8_t* at = code;
  *at++ = 0xc3;  // the function called: ret
  uint8_t* start = at;
  for (long i = 0; i < count; ++i) {
    if (calls) {
      const int32_t distance = code - (at + size);
      at[0] = 0xe8;
      memcpy(at + 1, &distance, sizeof distance);
    } else {
      at[0] = 0xeb;
      at[1] = 0;
    }
    at += size;
  }
  *at = 0xc3;
  if (mprotect(code, count * size + 4096, PROT_READ | PROT_EXEC) != 0) return 1;
  ((void (*)(void))start)();
  ((void (*)(void))start)();
  printf("%p\n", (void*)code);
  return 0;
}
