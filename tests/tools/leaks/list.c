// A list of a thousand: its head lost; and one whose tail alone is kept.
#include <stdlib.h>

struct item {
  struct item* next;
  char text[40];
};
struct item* tail;

static void lose(void) {
  struct item* head = NULL;
  for (int i = 0; i < 1000; ++i) {
    struct item* item = calloc(1, sizeof *item);
    item->next = head;
    head = item;
  }
}

static void keep_tail(void) {
  struct item* last = NULL;
  for (int i = 0; i < 10; ++i) {
    struct item* item = calloc(1, 2 * sizeof *item);
    if (last != NULL) last->next = item;
    last = item;
  }
  tail = last;
}

int main(void) {
  lose();
  keep_tail();
  return 0;
}
