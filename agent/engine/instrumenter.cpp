#include "agent/engine/instrumenter.h"

namespace vsup::agent {

namespace {
const Instrumenter* current = nullptr;
}

void set_instrumenter(const Instrumenter* tool) {
  current = tool;
}
const Instrumenter* instrumenter() {
  return current;
}

}  // namespace vsup::agent
