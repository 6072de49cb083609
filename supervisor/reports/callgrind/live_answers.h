// Purpose: what the callgrind tool answers on the control socket, as JSON. protocol/control.h has the schema.
// Promises: pure but for the modules that are opened; strings of tracees may hold any bytes.
#pragma once

#include <string>
#include <vector>

#include "supervisor/reports/callgrind/live_records.h"
#include "supervisor/reports/callgrind/profile.h"
#include "supervisor/symbols/module_code.h"

namespace vsup::supervisor::callgrind {

// Members of a request, which is any JSON object: of the wrong kind they count as absent.
std::string text_member(const std::string& line, const char* name);
size_t limit_member(const std::string& line);

std::string dump_answer(unsigned part, const std::vector<std::string>& files);
std::string zero_answer(const std::vector<std::string>& events, const std::vector<uint64_t>& values);
std::string events_answer(const std::vector<std::string>& events, const std::vector<LiveThread>& threads);
// `profile` may be null: nothing was counted yet.
std::string status_answer(bool on, unsigned part, const std::vector<LiveThread>& threads, const Profile* profile,
                          ModuleCodeCache& cache);
std::string call_stacks_answer(const std::vector<LiveThread>& threads, const std::vector<Module>& modules, pid_t pid,
                               ModuleCodeCache& cache);
// The `limit` costliest functions by self and by inclusive cost.
std::string costs_answer(const Profile* profile, size_t limit, ModuleCodeCache& cache);

}  // namespace vsup::supervisor::callgrind
