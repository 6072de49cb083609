// Purpose: what a walk reads of the app's memory, kept so that a later walk can tell whether it would read the same.
#pragma once

#include <stdint.h>

#include "agent/base/safe_load.h"

namespace vsup::agent {

struct LoggedRead {
  uint64_t address, value;
};

// Filled from its end towards its beginning, as a walk goes from the inside out.
class ReadLog {
 public:
  // Without room it only reads.
  ReadLog() = default;
  ReadLog(LoggedRead* first, LoggedRead* end) : first_(first), next_(end), complete_(true) {}

  [[gnu::always_inline]] bool load(uint64_t address, uint64_t& value) {
    if (!safe_load(address, value)) {
      complete_ = false;
      return false;
    }
    add({address, value});
    return true;
  }

  [[gnu::always_inline]] void add(const LoggedRead& read) {
    if (next_ == first_) {
      complete_ = false;
    } else {
      *--next_ = read;
    }
  }

  // Whether all reads are in it, and all were possible.
  bool complete() const { return complete_; }
  void give_up() { complete_ = false; }
  // The last one.
  const LoggedRead* begin() const { return next_; }

 private:
  LoggedRead* first_ = nullptr;
  LoggedRead* next_ = nullptr;
  bool complete_ = false;
};

}  // namespace vsup::agent
