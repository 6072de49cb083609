// A binary tree whose root is lost, and one that is kept.
#include <stdlib.h>

struct node {
  struct node *left, *right;
  long value;
};
struct node* kept;

static struct node* grow(int depth) {
  struct node* node = malloc(sizeof *node);
  node->value = depth;
  node->left = depth > 0 ? grow(depth - 1) : NULL;
  node->right = depth > 0 ? grow(depth - 1) : NULL;
  return node;
}

int main(void) {
  struct node* lost = grow(5);
  lost = NULL;
  kept = grow(3);
  return lost != NULL;
}
