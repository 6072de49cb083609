#include "supervisor/reports/heap/described_frame.h"

#include <cstdio>

#include "supervisor/symbols/demangle.h"

namespace vsup::supervisor {

DescribedFrame describe_frame(Symbolizer& symbolizer, const ModuleMap& modules, const StackReader& stacks,
                              const CapturedFrame& frame) {
  DescribedFrame described;
  if (frame.kind == protocol::kFramePython) {
    PythonLocation location = stacks.python_location(frame);
    described.python = true;
    described.lines.push_back({location.function, location.file + ":" + std::to_string(location.line)});
    return described;
  }
  for (const Frame& one : symbolizer.symbolize(modules, frame.value, frame.lookup())) {
    DescribedFrame::Line line;
    line.function = one.function;
    if (!one.file.empty()) {
      line.place = one.file.substr(one.file.rfind('/') + 1) + (one.line != 0 ? ":" + std::to_string(one.line) : "");
    } else if (!one.module.empty()) {
      line.place = "in " + one.module;
    }
    described.lines.push_back(std::move(line));
  }
  return described;
}

const DescribedFrame& FrameDescriber::operator()(const CapturedFrame& frame) {
  const std::pair key(frame.kind == protocol::kFramePython, frame.lookup());
  auto found = known_.find(key);
  if (found == known_.end()) found = known_.emplace(key, describe_frame(symbolizer_, modules_, stacks_, frame)).first;
  return found->second;
}

std::optional<std::string> FrameDescriber::symbol(const CapturedFrame& frame) {
  if (frame.kind == protocol::kFramePython) return "";
  const std::string name = symbolizer_.linkage_name(modules_, frame.lookup());
  if (!name.empty()) return demangle(name.c_str());
  if (symbolizer_.may_have_debug_information(modules_, frame.lookup())) return std::nullopt;
  return "";
}

std::string frame_text(uint64_t address, const DescribedFrame& frame, const DescribedFrame::Line& line) {
  char number[32];
  std::snprintf(number, sizeof number, "0x%llX: ", frame.python ? 0 : static_cast<unsigned long long>(address));
  std::string text = number;
  text += line.function.empty() ? "???" : line.function;
  if (!line.place.empty()) text += " (" + line.place + ")";
  return text;
}

}  // namespace vsup::supervisor
