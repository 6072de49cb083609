// Purpose: an address in a tracee is a type of its own.
#pragma once

#include <cstdint>

namespace vsup::supervisor {

template <typename T>
class RemotePtr {
 public:
  RemotePtr() = default;
  explicit RemotePtr(uint64_t address) : address_(address) {}
  uint64_t address() const { return address_; }
  explicit operator bool() const { return address_ != 0; }
  RemotePtr operator+(int64_t count) const { return RemotePtr(address_ + count * sizeof(T)); }
  bool operator==(const RemotePtr&) const = default;

 private:
  uint64_t address_ = 0;
};

}  // namespace vsup::supervisor
