#include "supervisor/reports/heap/python_options.h"

#include "protocol/callstack.h"
#include "protocol/heap.h"

namespace vsup::supervisor {

void configure_python(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  const std::string stacks = options.text("python-stacks"), blocks = options.text("python-malloc");
  settings.python_stacks = stacks == "no"     ? protocol::kPythonStacksNo
                           : stacks == "only" ? protocol::kPythonStacksOnly
                                              : protocol::kPythonStacksYes;
  settings.python_malloc = blocks == "raw"      ? protocol::kPythonMallocRaw
                           : blocks == "ignore" ? protocol::kPythonMallocIgnore
                                                : protocol::kPythonMallocTrack;
}

}  // namespace vsup::supervisor
