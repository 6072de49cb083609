// Purpose: `vctl report`: which session is meant, and having vsup make its page. vsup reads the results; vctl knows
// nothing of them.
#pragma once

#include <stdexcept>
#include <string>

namespace vsup::ctl {

class ReportError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The directory of the session that `name` means: a directory that holds a session.json, or the process id of a running
// vsup. Empty: the only running session, else the newest one in the default place. Throws ReportError or ClientError
// with one line.
std::string session_to_report(const std::string& name);

// Has vsup (beside this program, else in PATH) make the page; returns its path. vsup's own complaint is on standard
// error when this throws ReportError.
std::string make_report(const std::string& session_directory);

}  // namespace vsup::ctl
