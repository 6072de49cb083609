// Purpose: what a session left in its directory, as the report page's data: session.json, and of each process its
// callgrind.out, cachegrind.out and massif.out files, whatever their names, stacks (*.collapsed) and leaks in its log.
// Assumes: nothing about the files; the session may still run. Promises: a file that is missing or broken leaves its
// part of the page empty; files outside the directory are not read, nor links, nor more than kMaxFileBytes of one.
#pragma once

#include <optional>
#include <string>

#include "supervisor/reports/html/report_page.h"

namespace vsup::supervisor::html {

inline constexpr size_t kMaxFileBytes = size_t{1} << 30;

// nullopt, and *error says why, when the directory holds no session.
std::optional<ReportSession> load_session(const std::string& directory, std::string* error);

}  // namespace vsup::supervisor::html
