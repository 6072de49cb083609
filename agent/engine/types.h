// Purpose: the two worlds of addresses as types that do not convert into each other.
#pragma once

#include <stdint.h>

namespace vsup::agent {

enum class AppPc : uint64_t {};    // an address of the app's own code
enum class CachePc : uint64_t {};  // an address in the code cache or the agent

inline uint64_t raw(AppPc pc) {
  return static_cast<uint64_t>(pc);
}
inline uint64_t raw(CachePc pc) {
  return static_cast<uint64_t>(pc);
}
inline AppPc advance(AppPc pc, uint64_t bytes) {
  return AppPc{raw(pc) + bytes};
}

}  // namespace vsup::agent
