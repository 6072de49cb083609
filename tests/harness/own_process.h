// Purpose: this process, as the supervisor reads a stopped one: for records that a test has written at the agent's
// addresses.
#pragma once

#include <unistd.h>

#include <cstring>
#include <vector>

#include "supervisor/session/stopped_process.h"

namespace vsup::supervisor {

class OwnProcess : public StoppedProcess {
 public:
  explicit OwnProcess(uint64_t generation = 1) : generation_(generation) {}

  pid_t pid() const override { return getpid(); }
  pid_t tid() const override { return getpid(); }
  uint64_t generation() const override { return generation_; }
  const std::vector<ThreadRegisters>& threads() const override { return threads_; }
  bool read(uint64_t address, void* to, size_t size) const override {
    std::memcpy(to, reinterpret_cast<const void*>(address), size);
    return true;
  }
  bool write(uint64_t, const void*, size_t) override { return false; }
  bool call_agent(uint64_t) override { return false; }

 private:
  uint64_t generation_;
  std::vector<ThreadRegisters> threads_;
};

}  // namespace vsup::supervisor
