// Has allocation functions of its own.
#include <stdlib.h>
#include <string.h>

#define NEW(name)              \
  void* name(size_t size) {    \
    void* p = malloc(size);    \
    return memset(p, 1, size); \
  }
#define DELETE(name)              \
  void name(void* p) {            \
    if (p != NULL) *(char*)p = 0; \
    free(p);                      \
  }
NEW(_Znwm)
NEW(_Znam)
NEW(mi_malloc)
NEW(mi_zalloc)
NEW(mi_malloc_small)
NEW(mallocx)
DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm)
DELETE(_ZdaPvm)
DELETE(mi_free)
DELETE(mi_free_size)

void* make(size_t size) {
  return _Znwm(size);
}
