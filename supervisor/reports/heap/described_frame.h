// Purpose: a frame of a captured stack in words.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/symbols/stack_reader.h"
#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor {

// Innermost inlined function first; never empty.
struct DescribedFrame {
  struct Line {
    std::string function;  // empty: not known
    std::string place;     // "file.c:12" or "in /lib/..."; empty: not known
  };
  std::vector<Line> lines;
  bool python = false;
};

// Of a Python frame the place is the file as Python knows it, with its path, and the line.
DescribedFrame describe_frame(Symbolizer& symbolizer, const ModuleMap& modules, const StackReader& stacks,
                              const CapturedFrame& frame);

// Describes the frames of one process, each once.
class FrameDescriber {
 public:
  FrameDescriber(Symbolizer& symbolizer, const ModuleMap& modules, const StackReader& stacks)
      : symbolizer_(symbolizer), modules_(modules), stacks_(stacks) {}

  const DescribedFrame& operator()(const CapturedFrame& frame);

  // The function's name alone, by symbol tables; empty where nothing has one, and of Python frames. None: debug
  // information may have one.
  std::optional<std::string> symbol(const CapturedFrame& frame);

 private:
  Symbolizer& symbolizer_;
  const ModuleMap& modules_;
  const StackReader& stacks_;
  // By what is looked up, and whether that is an address.
  std::map<std::pair<bool, uint64_t>, DescribedFrame> known_;
};

// "0x401136: main (x.c:12)" as Valgrind writes it; a Python frame with address 0, since who reads DHAT's files takes no
// frame apart without one.
std::string frame_text(uint64_t address, const DescribedFrame& frame, const DescribedFrame::Line& line);

}  // namespace vsup::supervisor
