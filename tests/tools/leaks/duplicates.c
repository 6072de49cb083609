// Blocks that functions of the C library make for their callers.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char* kept;

static void lose(void) {
  char* text = strdup("lost words");
  text[0] = 'L';
}

int main(void) {
  kept = strndup("kept words and more", 10);
  lose();
  char* text = NULL;
  if (asprintf(&text, "%d and %s", 1234567, "text") < 0) return 1;
  text = NULL;
  return text != NULL;
}
