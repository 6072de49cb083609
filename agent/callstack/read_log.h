// Purpose: what a walk reads of the app's memory, kept so that a later walk can tell whether it would read the same.
#pragma once

#include <stdint.h>

#include "agent/base/safe_load.h"

namespace vsup::agent {

// How signals of faults are unblocked, which returns those that were blocked, and blocked again. Set by who can: a
// fault with its signal blocked would cost the app its handler (agent/engine/fault_guard.h).
struct ReadGuard {
  uint64_t (*unblock)();
  uint64_t (*block)(uint64_t signals);
};
void set_read_guard(const ReadGuard& guard);
const ReadGuard& read_guard();

struct LoggedRead {
  uint64_t address, value;
};

// Filled from its end towards its beginning, as a walk goes from the inside out.
class ReadLog {
 public:
  // Without room it only reads.
  ReadLog() = default;
  ~ReadLog() {
    if (blocked_ != 0) [[unlikely]]
      read_guard().block(blocked_);
  }
  ReadLog(const ReadLog&) = delete;
  ReadLog& operator=(const ReadLog&) = delete;
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

  // From here on what is read may well not be there: behind a signal's frame, which may have come of a broken stack,
  // and where callers are guessed.
  void expect_faults() {
    if (expects_faults_ || read_guard().unblock == nullptr) return;
    expects_faults_ = true;
    blocked_ = read_guard().unblock();
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
  bool expects_faults_ = false;
  uint64_t blocked_ = 0;  // signals, to be blocked again
};

}  // namespace vsup::agent
