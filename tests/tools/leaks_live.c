// Obeys letters on standard input: g keeps a block, l loses one, t starts a thread; answers each line.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct node {
  struct node* next;
  char text[50];
};
static struct node* kept;

static void grow(void) {
  struct node* node = calloc(1, sizeof *node);
  node->next = kept;
  kept = node;
}

static void lose(void) {
  memset(malloc(33), 1, 33);
}

static void* wait_forever(void* unused) {
  for (;;) pause();
  return unused;
}

int main(void) {
  char letter;
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("ready\n");
  while (read(0, &letter, 1) == 1) {
    pthread_t thread;
    if (letter == 'g') grow();
    if (letter == 'l') lose();
    if (letter == 't') pthread_create(&thread, NULL, wait_forever, NULL);
    if (letter == '\n') printf("done\n");
  }
  return 0;
}
