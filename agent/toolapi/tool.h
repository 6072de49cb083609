// Purpose: how a tool makes itself known: one descriptor in a section of its own, gathered by the linker script.
// Promises: adding a tool changes no other file of the agent.
#pragma once

namespace vsup::agent {

struct Tool {
  const char* name;  // AgentSettings::tool_name
  // Once per process image, before any thread enters the cache; AgentSettings are set.
  void (*install)();
};

// Installs the tool that the settings name, if they name one.
void install_tool();

}  // namespace vsup::agent

#define VSUP_TOOL(identifier, install)                                                                                 \
  [[gnu::used, gnu::section(".vsup_tools")]] extern constexpr vsup::agent::Tool vsup_tool_##identifier = {#identifier, \
                                                                                                          install}
