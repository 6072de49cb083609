// Purpose: vsup's answers as text for people.
// Assumes: answers as protocol/control.h describes, yet from another program: anything may be missing.
// Promises: pure; control characters in names and arguments do not reach the terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace vsup::ctl {

std::string show_list(const nlohmann::ordered_json& result, double now_seconds);
std::string show_status(const nlohmann::ordered_json& result);
std::string show_toggle(const nlohmann::ordered_json& result, bool on);
std::string show_stacks(const nlohmann::ordered_json& result);
// "killed 3 processes"
std::string show_count(const nlohmann::ordered_json& result, const std::string& verb);

// The reports of leak checks, one process after the other.
std::string show_leaks(const nlohmann::ordered_json& result);

// Whether a tool's request has a result for every process.
bool tool_succeeded(const nlohmann::ordered_json& result);

}  // namespace vsup::ctl
