// Purpose: the memory functions that a freestanding C++ compiler calls, and typed access to generated code.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {
void* memcpy(void* to, const void* from, size_t size);
void* memset(void* to, int value, size_t size);
void* memmove(void* to, const void* from, size_t size);
int memcmp(const void* a, const void* b, size_t size);
}

namespace vsup::agent {

template <typename T>
inline T load(const void* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void store(void* to, T value) {
  __builtin_memcpy(to, &value, sizeof value);
}

}  // namespace vsup::agent
