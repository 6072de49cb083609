#include "supervisor/reports/heap/weighted_stacks.h"

namespace vsup::supervisor {

callgrind::NamedStacks weighted_stacks(const StackReader& stacks, const StackWeights& weights,
                                       const std::function<const DescribedFrame&(const CapturedFrame&)>& describe) {
  callgrind::StacksBuilder builder;
  std::vector<std::string> path;
  for (const auto& [stack, weight] : weights) {
    if (weight == 0) continue;
    path.clear();
    for (const CapturedFrame& frame : stacks.frames(stack)) {
      const DescribedFrame& words = describe(frame);
      for (const DescribedFrame::Line& line : words.lines) {
        std::string& name = path.emplace_back(line.function.empty() ? "???" : line.function);
        if (words.python || line.function.empty()) name += line.place.empty() ? "" : " (" + line.place + ")";
      }
    }
    if (path.empty()) path.push_back("???");
    builder.add({path.rbegin(), path.rend()}, weight);
  }
  return builder.take();
}

std::string heap_stacks_name(const std::string& directory, const char* what, pid_t pid) {
  return directory + "/heap." + what + "." + std::to_string(pid) + ".collapsed";
}

}  // namespace vsup::supervisor
