// Purpose: names, files and lines of Python frames from the agent's copies of code objects.
// Assumes: nothing about the bytes. Promises: bounds-checked; what is damaged has no name, or its first line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/callstack.h"

namespace vsup::supervisor {

struct PythonLocation {
  std::string function;  // qualified from 3.11 on
  std::string file;      // as co_filename has it, e.g. "<frozen importlib._bootstrap>"
  unsigned line = 0;
};

// The line of the instruction at `offset` bytes into the bytecode; `first_line` where the table has none.
unsigned python_line(protocol::PythonLineTable format, std::span<const uint8_t> table, unsigned first_line,
                     uint32_t offset);

class PythonCodes {
 public:
  PythonCodes() = default;
  PythonCodes(std::vector<uint8_t> records, protocol::PythonLineTable format)
      : records_(std::move(records)), format_(format) {}

  // Of the value of a frame of kind kFramePython.
  PythonLocation location(uint64_t frame_value) const;

 private:
  std::vector<uint8_t> records_;
  protocol::PythonLineTable format_ = protocol::kPythonLnotab;
};

}  // namespace vsup::supervisor
