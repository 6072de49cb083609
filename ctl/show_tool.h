// Purpose: the tools' answers as text for people.
// Assumes, promises: as show.h.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace vsup::ctl {

std::string show_dump(const nlohmann::ordered_json& result);
std::string show_zero(const nlohmann::ordered_json& result);
std::string show_snapshot(const nlohmann::ordered_json& result);
// `wanted`: names of events; empty: all.
std::string show_events(const nlohmann::ordered_json& result, const std::vector<std::string>& wanted);
std::string show_tool_status(const nlohmann::ordered_json& result);
std::string show_call_stacks(const nlohmann::ordered_json& result);
// The `limit` costliest of each process. `columns`: the terminal's, 0: no terminal.
std::string show_costs(const nlohmann::ordered_json& result, size_t limit, size_t columns);

}  // namespace vsup::ctl
