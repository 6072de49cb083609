// Purpose: the tools callgrind and cachegrind: what --tool= finds, and their ToolReport.
#include "agent/tools/callgrind/records.h"
#include "supervisor/reports/callgrind/profile_report.h"
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
  values[records::kOptionSkipPlt] = options.yes("skip-plt") ? 1 : 0;
  values[records::kOptionSeparateCallers] = options.number("separate-callers");
  values[records::kOptionSeparateRecs] = options.number("separate-recs");
}

callgrind::ProfileOutputOptions cachegrind_output(const ToolOptionValues& options) {
  callgrind::ProfileOutputOptions output;
  output.cachegrind = true;
  output.name_pattern = options.text("cachegrind-out-file");
  return output;
}

constexpr ToolDescription kTools[] = {
    {"callgrind", "counts instructions, calls and their inclusive cost; writes callgrind.out", "callgrind",
     kCallgrindOptions, configure_callgrind,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> {
       return std::make_unique<callgrind::ProfileReport>(context, callgrind_output(context.options));
     },
     true},
    {"cachegrind", "counts instructions by line; writes cachegrind.out", "callgrind", kCachegrindOptions, nullptr,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> {
       return std::make_unique<callgrind::ProfileReport>(context, cachegrind_output(context.options));
     },
     true},
};

}  // namespace

std::span<const ToolDescription> tools_in_callgrind() {
  return kTools;
}

}  // namespace vsup::supervisor
