// Purpose: the ToolReport of callgrind and cachegrind: a profile at the end of each image, parts of it while it runs,
// and answers about a live process. Assumes, promises: as ToolReport; names are looked up off the event loop, after the
// process has gone on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "supervisor/reports/cachesim/cache_options.h"
#include "supervisor/reports/callgrind/live_records.h"
#include "supervisor/reports/callgrind/named_functions.h"
#include "supervisor/reports/callgrind/profile_output.h"
#include "supervisor/session/tool_report.h"

namespace vsup::supervisor::callgrind {

class ProfileReport : public ToolReport {
 public:
  using Written = std::function<void(unsigned part, const std::vector<std::string>& files)>;

  ProfileReport(const ToolContext& context, ProfileOutputOptions options, cachesim::Simulation simulation,
                std::vector<FunctionRule> rules = {}, std::string every_blocks = {});

  void image_started(const ProcessSummary& process) override;
  void module_mapped(pid_t pid, const MappedModule& module) override;
  void records_ready(StoppedProcess& process, RecordsMoment moment) override;
  void image_ended(pid_t pid) override;
  bool serves(std::string_view name) const override;
  void request(const ToolRequest& request, StoppedProcess& process, std::function<void(ToolAnswer)> answer) override;
  std::optional<uint64_t> client_request(StoppedProcess& process, pid_t tid, const ClientRequest& request) override;
  void agent_request(StoppedProcess& process, uint64_t code, uint64_t argument) override;
  void session_finished() override;

  // Writes what was counted since the last part, as a file of its own with a number, and begins anew. `trigger` is why,
  // in callgrind's words ("--dump-before=main"). `written` is called later, with the files' names.
  void dump_part(StoppedProcess& process, const std::string& trigger, Written written = {});
  // Returns the instructions whose counts are gone.
  uint64_t zero(StoppedProcess& process);

 private:
  struct Image {
    ProcessSummary process;
    unsigned part = 1;    // the next one's number
    uint64_t blocks = 0;  // executed in the parts before
  };

  std::optional<Profile> read(StoppedProcess& process, const std::string& trigger, bool end = false);
  void answer_status(StoppedProcess& process, bool on, const std::function<void(ToolAnswer)>& answer);
  void answer_call_stacks(StoppedProcess& process, const std::function<void(ToolAnswer)>& answer);
  void answer_costs(StoppedProcess& process, size_t limit, const std::function<void(ToolAnswer)>& answer);

  // CALLGRIND_TOGGLE_COLLECT of a thread in native code.
  static void switch_collection(StoppedProcess& process, pid_t tid);

  const cachesim::Simulation simulation_;
  ProfileOutput output_;
  NamedFunctions functions_;
  const std::string every_blocks_;  // the trigger of parts that the number of blocks makes
  std::map<pid_t, Image> images_;
};

}  // namespace vsup::supervisor::callgrind
