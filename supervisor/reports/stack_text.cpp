#include "supervisor/reports/stack_text.h"

#include <cstdio>

namespace vsup::supervisor {

std::string stack_text(const std::vector<Frame>& frames) {
  std::string text;
  for (const Frame& frame : frames) {
    char address[40];
    snprintf(address, sizeof address, "   %s 0x%llX: ", text.empty() ? "at" : "by",
             static_cast<unsigned long long>(frame.address));
    text += address;
    text += frame.function.empty() ? "???" : frame.function;
    if (!frame.file.empty()) {
      text += " (" + frame.file.substr(frame.file.rfind('/') + 1);
      if (frame.line != 0) text += ":" + std::to_string(frame.line);
      text += ")";
    } else if (!frame.module.empty()) {
      text += " (in " + frame.module + ")";
    }
    text += '\n';
    if (frame.function == "main") break;  // as --show-below-main=no
  }
  return text;
}

}  // namespace vsup::supervisor
