/* So many stacks change between so many snapshots that massif's log of changes is shortened. */
#include <stdlib.h>

enum { kDepth = 8, kStacks = 1 << kDepth, kRounds = 2400 };

static void* blocks[kStacks][kRounds];
static void* passing[kStacks];

static __attribute__((noinline)) void visit(int depth, int stack, int round) {
  if (depth < kDepth) {
    visit(depth + 1, stack * 2, round);
    visit(depth + 1, stack * 2 + 1, round);
    return;
  }
  /* Some are there at times only, and some never change again. */
  if (stack % 7 == round % 7) {
    free(passing[stack]);
    passing[stack] = round % 2 == 0 ? malloc(40) : NULL;
  }
  if (stack % 16 != 0 || round < 50) blocks[stack][round] = malloc(16 + stack % 5);
}

int main(void) {
  for (int round = 0; round < kRounds; ++round) {
    visit(0, 0, round);
    free(blocks[round % kStacks][round]);
    blocks[round % kStacks][round] = NULL;
  }
  for (int round = 0; round < kRounds; ++round)
    for (int stack = 0; stack < kStacks; ++stack) free(blocks[stack][round]);
  return 0;
}
