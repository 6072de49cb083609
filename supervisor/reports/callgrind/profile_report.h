// Purpose: the ToolReport of callgrind and cachegrind: a profile at the end of each image, parts of it while it runs,
// and answers about a live process. Assumes, promises: as ToolReport; names are looked up off the event loop, after the
// process has gone on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "supervisor/reports/cachesim/cache_options.h"
#include "supervisor/reports/callgrind/code_periods.h"
#include "supervisor/reports/callgrind/cut_blocks.h"
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
  void block_left(pid_t pid, pid_t tid, uint64_t context, const BlockLeft& left) override;
  bool serves(std::string_view name) const override;
  void request(const ToolRequest& request, StoppedProcess& process, std::function<void(ToolAnswer)> answer) override;
  std::optional<uint64_t> client_request(StoppedProcess& process, pid_t tid, const ClientRequest& request) override;
  void agent_request(StoppedProcess& process, pid_t tid, uint64_t code, uint64_t argument) override;
  void when_written(std::function<void()> then) override;
  void session_finished() override;

  // Writes what was counted since the last part, with a number, and begins anew. `trigger` is why, in callgrind's words
  // ("--dump-before=main").
  struct PartOf {
    unsigned thread = 0;   // the only one in it, by number; 0: all
    bool end = false;      // read_records()'s
    Written written = {};  // called later, with the files' names
  };
  void dump_part(StoppedProcess& process, const std::string& trigger, const PartOf& part);
  // Of one thread, or of all. Returns the instructions whose counts are gone.
  uint64_t zero(StoppedProcess& process, unsigned thread = 0);

 private:
  struct Image {
    ProcessSummary process;
    unsigned part = 1;    // the next one's number
    uint64_t blocks = 0;  // executed in the parts before
    bool warned = false;  // that options name too many functions
    uint64_t lost = 0;    // blocks and places of calls that were said not to be counted
    CodePeriods periods = {};
  };

  // None of a process that was never switched on. `only`: the number of the only thread wanted, 0 for all.
  std::optional<Profile> read(StoppedProcess& process, const std::string& trigger, bool end = false, unsigned only = 0);
  static void describe(Profile& profile, const Image& image, const std::string& trigger);
  void say_what_is_lost(const Profile& profile, Image& image) const;
  // What a part holds that a thread asks for: with --separate-threads=yes that thread alone, as in Valgrind.
  PartOf part_for(const StoppedProcess& process, pid_t tid) const;
  void answer_status(StoppedProcess& process, bool on, const std::function<void(ToolAnswer)>& answer);
  void answer_call_stacks(StoppedProcess& process, const std::function<void(ToolAnswer)>& answer);
  void answer_costs(StoppedProcess& process, size_t limit, const std::function<void(ToolAnswer)>& answer);

  const cachesim::Simulation simulation_;
  const bool separate_threads_;
  ProfileOutput output_;
  NamedFunctions functions_;
  CutBlocks cuts_;
  const std::string every_blocks_;  // the trigger of parts that the number of blocks makes
  const std::function<void(const ProcessSummary&, const std::string&)> log_;
  std::map<pid_t, Image> images_;
};

}  // namespace vsup::supervisor::callgrind
