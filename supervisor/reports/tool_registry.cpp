#include "supervisor/reports/tool_registry.h"

#include <algorithm>

namespace vsup::supervisor {

// Each folder with a tool.cpp defines one of these; VSUP_TOOL_FOLDERS names a list made by the build.
#define VSUP_TOOL_FOLDER(folder) std::span<const ToolDescription> tools_in_##folder();
#include VSUP_TOOL_FOLDERS
#undef VSUP_TOOL_FOLDER

namespace {

constexpr ToolDescription kNone{"none", "adds nothing to the program", "", {}, nullptr, nullptr};

}  // namespace

const std::vector<const ToolDescription*>& all_tools() {
  static const std::vector<const ToolDescription*> tools = [] {
    std::vector<const ToolDescription*> found;
    const auto add = [&found](std::span<const ToolDescription> folder) {
      for (const ToolDescription& tool : folder) found.push_back(&tool);
    };
#define VSUP_TOOL_FOLDER(folder) add(tools_in_##folder());
#include VSUP_TOOL_FOLDERS
#undef VSUP_TOOL_FOLDER
    std::sort(found.begin(), found.end(),
              [](const auto* a, const auto* b) { return std::string_view(a->name) < b->name; });
    found.insert(found.begin(), &kNone);
    return found;
  }();
  return tools;
}

const ToolDescription* find_tool(std::string_view name) {
  for (const ToolDescription* tool : all_tools())
    if (name == tool->name) return tool;
  return nullptr;
}

}  // namespace vsup::supervisor
