// What allocation functions do besides: errno, alignment, usable sizes, NULL, sizes that cannot be.
// MODES: default, massif, massif-toggle, massif-cache, massif-cache-toggle
// EXPECT: as without a tool
#include <dlfcn.h>
#include <malloc.h>
#include "../victim.h"
int main(void) {
  errno = 77;
  void* block = malloc(100);
  CHECK(errno == 77 && malloc_usable_size(block) >= 100);
  free(block);
  CHECK(errno == 77);
  volatile size_t huge = ~(size_t)0 >> 1;
  CHECK(malloc(huge) == NULL && errno == ENOMEM);
  errno = 0;
  CHECK(calloc(huge, 4) == NULL && errno == ENOMEM);
  block = malloc(10);
  strcpy(block, "kept");
  CHECK(realloc(block, huge) == NULL && strcmp(block, "kept") == 0);
  CHECK(reallocarray(block, huge, 2) == NULL && strcmp(block, "kept") == 0);
  free(block);
  free(NULL);
  for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
    block = memalign(alignment, 100);
    CHECK(((uintptr_t)block & (alignment - 1)) == 0);
    free(block);
    CHECK(posix_memalign(&block, alignment, 33) == 0 && ((uintptr_t)block & (alignment - 1)) == 0);
    free(block);
  }
  void* untouched = &huge;
  CHECK(posix_memalign(&untouched, 3, 10) == EINVAL && untouched == (void*)&huge);
  void* (*found)(size_t) = (void* (*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
  block = found(50);
  CHECK(block != NULL);
  free(block);
  puts("as without a tool");
}
