#include "supervisor/reports/output_name.h"

#include "supervisor/session/log_name.h"

namespace vsup::supervisor {

std::string command_line(const ProcessSummary& process) {
  std::string line;
  for (const std::string& word : process.arguments) line += (line.empty() ? "" : " ") + word;
  return line;
}

std::string output_name(const std::string& pattern, const ProcessSummary& process) {
  std::string error;
  const std::string name = expand_log_name(pattern, process.pid, process.image, error);
  return name.empty() || name.front() != '/' ? process.directory + "/" + name : name;
}

}  // namespace vsup::supervisor
