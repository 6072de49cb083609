// Streams that are used and not closed: the C library frees their buffers at the end, not the streams.
#include <stdio.h>
#include <stdlib.h>

FILE* kept;

int main(void) {
  printf("words\n");
  kept = fopen("/dev/null", "w");
  fprintf(kept, "more words\n");
  FILE* closed = fopen("/dev/null", "r");
  if (fgetc(closed) != EOF) return 1;
  fclose(closed);
  return 0;
}
