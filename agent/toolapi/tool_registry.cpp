// Purpose: finds the tool that the settings name among those that were linked.
#include "agent/base/check.h"
#include "agent/base/memory.h"
#include "agent/base/settings.h"
#include "agent/toolapi/tool.h"

#pragma GCC visibility push(hidden)
extern "C" const vsup::agent::Tool vsup_tools_start[], vsup_tools_end[];
#pragma GCC visibility pop

namespace vsup::agent {

namespace {

bool same(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

void install_tool() {
  if (vsup_settings.tool_name[0] == 0) return;
  vsup_settings.tool_name[sizeof vsup_settings.tool_name - 1] = 0;
  for (const Tool* tool = vsup_tools_start; tool != vsup_tools_end; ++tool) {
    if (!same(tool->name, vsup_settings.tool_name)) continue;
    tool->install();
    return;
  }
  VS_CHECK(false, static_cast<uint64_t>(vsup_settings.tool_name[0]));
}

}  // namespace vsup::agent
