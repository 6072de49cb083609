// Purpose: the tools callgrind and cachegrind: what --tool= finds, and their ToolReport.
#include <map>

#include "agent/tools/callgrind/records.h"
#include "supervisor/reports/callgrind/profile_output.h"
#include "supervisor/reports/callgrind/record_reader.h"
#include "supervisor/session/tool_report.h"

namespace vsup::supervisor {

namespace {

constexpr ToolOption kCallgrindOptions[] = {
#define CALLGRIND_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#define CACHEGRIND_OPTION(name, kind, argument, low, high, default_text, help)
#include "supervisor/reports/callgrind/options.def"
#undef CALLGRIND_OPTION
#undef CACHEGRIND_OPTION
};

constexpr ToolOption kCachegrindOptions[] = {
#define CALLGRIND_OPTION(name, kind, argument, low, high, default_text, help)
#define CACHEGRIND_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/callgrind/options.def"
#undef CALLGRIND_OPTION
#undef CACHEGRIND_OPTION
};

callgrind::ProfileOutputOptions callgrind_output(const ToolOptionValues& options) {
  callgrind::ProfileOutputOptions output;
  output.name_pattern = options.text("callgrind-out-file");
  output.writer.dump_line = options.yes("dump-line");
  output.writer.dump_instr = options.yes("dump-instr");
  output.writer.compress_strings = options.yes("compress-strings");
  output.writer.compress_pos = options.yes("compress-pos");
  output.writer.separate_threads = options.yes("separate-threads");
  output.collapsed = options.yes("collapsed");
  return output;
}

void configure_callgrind(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  namespace records = agent::callgrind;
  uint64_t* values = settings.tool_options;
  values[records::kOptionTree] = options.yes("collapsed") ? 1 : 0;
  values[records::kOptionSeparateCallers] = options.number("separate-callers");
  values[records::kOptionSeparateRecs] = options.number("separate-recs");
}

callgrind::ProfileOutputOptions cachegrind_output(const ToolOptionValues& options) {
  callgrind::ProfileOutputOptions output;
  output.cachegrind = true;
  output.name_pattern = options.text("cachegrind-out-file");
  return output;
}

class ProfileReport : public ToolReport {
 public:
  ProfileReport(const ToolContext& context, callgrind::ProfileOutputOptions options)
      : output_(std::move(options), context.post, context.write_file) {}

  void image_started(const ProcessSummary& process) override { images_[process.pid] = process; }

  void module_mapped(pid_t pid, const MappedModule& module) override { output_.prepare(pid, module.path); }

  void records_ready(StoppedProcess& process, RecordsMoment) override {
    std::optional<callgrind::Profile> profile = callgrind::read_records(process.tid(), process.generation());
    if (!profile) return;
    const ProcessSummary& image = images_[process.pid()];
    profile->process.pid = process.pid();
    for (const std::string& argument : image.arguments)
      profile->process.command += (profile->process.command.empty() ? "" : " ") + argument;
    profile->process.trigger = "Program termination";
    output_.add(std::move(*profile), image.image, image.directory);
  }

  void image_ended(pid_t pid) override { images_.erase(pid); }
  void session_finished() override { output_.finish(); }

 private:
  callgrind::ProfileOutput output_;
  std::map<pid_t, ProcessSummary> images_;
};

constexpr ToolDescription kTools[] = {
    {"callgrind", "counts instructions, calls and their inclusive cost; writes callgrind.out", "callgrind",
     kCallgrindOptions, configure_callgrind,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> {
       return std::make_unique<ProfileReport>(context, callgrind_output(context.options));
     },
     true},
    {"cachegrind", "counts instructions by line; writes cachegrind.out", "callgrind", kCachegrindOptions, nullptr,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> {
       return std::make_unique<ProfileReport>(context, cachegrind_output(context.options));
     },
     true},
};

}  // namespace

std::span<const ToolDescription> tools_in_callgrind() {
  return kTools;
}

}  // namespace vsup::supervisor
