// A library that another one needs; its global has the only pointer to a block.
#include <stdlib.h>

static char* kept;

void keep_inside(int size);
void keep_inside(int size) { kept = malloc((size_t)size); }
