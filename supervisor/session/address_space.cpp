#include "supervisor/session/address_space.h"

namespace vsup::supervisor {

int SlotTable::allocate() {
  for (size_t slot = 0; slot < protocol::kMaxSlots; ++slot) {
    if (slot < used_.size() && used_[slot]) continue;
    take(static_cast<int>(slot));
    return static_cast<int>(slot);
  }
  return -1;
}

void SlotTable::take(int slot) {
  if (used_.size() <= static_cast<size_t>(slot)) used_.resize(static_cast<size_t>(slot) + 1);
  used_[static_cast<size_t>(slot)] = true;
}

void SlotTable::release(int slot) {
  if (slot >= 0 && static_cast<size_t>(slot) < used_.size()) used_[static_cast<size_t>(slot)] = false;
}

std::shared_ptr<AddressSpace> AddressSpace::for_fork_child() const {
  auto child = std::make_shared<AddressSpace>();
  child->injected = injected;
  child->ready_on = ready_on;
  child->passes_rseq = passes_rseq;
  child->vdso_syscall = vdso_syscall;
  child->breakpoints = breakpoints;
  child->trap_ignored = trap_ignored;
  if (watch) child->watch = watch->clone();
  child->hooks = hooks;
  child->code_fingerprint = code_fingerprint;
  return child;
}

}  // namespace vsup::supervisor
