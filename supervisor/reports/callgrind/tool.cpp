// Purpose: the tools callgrind and cachegrind: what --tool= finds, and their ToolReport.
#include <algorithm>
#include <utility>

#include "agent/tools/callgrind/records.h"
#include "supervisor/reports/cachesim/cache_options.h"
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

constexpr LeftOutOption kLeftOut[] = {
#define CALLGRIND_LEFT_OUT(name, reason) {name, reason},
#include "supervisor/reports/callgrind/left_out.def"
#undef CALLGRIND_LEFT_OUT
};

callgrind::ProfileOutputOptions callgrind_output(const ToolOptionValues& options) {
  callgrind::ProfileOutputOptions output;
  output.name_pattern = options.text("callgrind-out-file");
  output.writer.dump_line = options.yes("dump-line");
  output.writer.dump_instr = options.yes("dump-instr") || options.yes("cacheuse");  // as Valgrind has it
  output.writer.compress_strings = options.yes("compress-strings");
  output.writer.compress_pos = options.yes("compress-pos");
  output.writer.separate_threads = options.yes("separate-threads");
  output.writer.combine_dumps = options.yes("combine-dumps");
  output.collapsed = options.yes("collapsed");
  return output;
}

// N=FUNCTION of an option --NAMEN=FUNCTION.
std::pair<uint64_t, std::string> split_numbered(const std::string& value) {
  const size_t equals = value.find('=');
  uint64_t number = 0;
  parse_count(value.substr(0, equals), false, number);
  return {number, value.substr(std::min(equals, value.size() - 1) + 1)};
}

// What options say of single functions.
std::vector<callgrind::FunctionRule> function_rules(const ToolOptionValues& options) {
  namespace records = agent::callgrind;
  std::vector<callgrind::FunctionRule> rules;
  const auto add_flags = [&](const char* option, uint32_t flags) {
    for (const std::string& pattern : options.all(option)) rules.push_back({.pattern = pattern, .flags = flags});
  };
  add_flags("toggle-collect", records::kFunctionToggles);
  add_flags("fn-skip", records::kFunctionSkipped);
  add_flags("dump-before", records::kFunctionDumpsBefore);
  add_flags("dump-after", records::kFunctionDumpsAfter);
  add_flags("zero-before", records::kFunctionZeroes);
  const auto add_numbered = [&](const char* option, auto member) {
    for (const std::string& value : options.all(option)) {
      const auto [number, pattern] = split_numbered(value);
      rules.push_back({.pattern = pattern});
      rules.back().*member = static_cast<std::decay_t<decltype(rules.back().*member)>>(number);
    }
  };
  add_numbered("separate-callersN", &callgrind::FunctionRule::separate_callers);
  add_numbered("separate-recsN", &callgrind::FunctionRule::separate_recs);
  add_numbered("fn-groupN", &callgrind::FunctionRule::group);
  return rules;
}

void configure_callgrind(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  namespace records = agent::callgrind;
  uint64_t* values = settings.tool_options;
  values[records::kOptionTree] = options.yes("collapsed") ? 1 : 0;
  const bool switches = options.given("toggle-collect") || !options.yes("collect-atstart");
  values[records::kOptionJumps] = options.yes("collect-jumps") ? 1 : 0;
  values[records::kOptionCollect] = switches ? 1 : 0;
  // As Valgrind has it, a function to switch on by means that nothing is collected before.
  values[records::kOptionCollectAtStart] = options.yes("collect-atstart") && !options.given("toggle-collect") ? 1 : 0;
  values[records::kOptionSkipPlt] = options.yes("skip-plt") ? 1 : 0;
  values[records::kOptionSeparateCallers] = options.number("separate-callers");
  values[records::kOptionSeparateRecs] = options.number("separate-recs");
  cachesim::configure(cachesim::simulation_of(options, true), settings);
  values[records::kOptionSkipDirectRec] = options.yes("skip-direct-rec") ? 1 : 0;
  values[records::kOptionEveryBlocks] = options.number("dump-every-bb");
  for (const callgrind::FunctionRule& rule : function_rules(options))
    if ((rule.flags & records::kFunctionActs) != 0) values[records::kOptionActs] = 1;
  for (const char* name : {"separate-callersN", "separate-recsN", "fn-groupN", "fn-skip"})
    if (options.given(name)) values[records::kOptionContexts] = 1;
}

void configure_cachegrind(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  cachesim::configure(cachesim::simulation_of(options, false), settings);
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
       return std::make_unique<callgrind::ProfileReport>(
           context, callgrind_output(context.options), cachesim::simulation_of(context.options, true),
           function_rules(context.options), "--dump-every-bb=" + context.options.text("dump-every-bb"));
     },
     true, true, kLeftOut},
    {"cachegrind", "counts instructions by line, simulates caches and branches; writes cachegrind.out", "cachegrind",
     kCachegrindOptions, configure_cachegrind,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> {
       return std::make_unique<callgrind::ProfileReport>(context, cachegrind_output(context.options),
                                                         cachesim::simulation_of(context.options, false));
     },
     true},
};

}  // namespace

std::span<const ToolDescription> tools_in_callgrind() {
  return kTools;
}

}  // namespace vsup::supervisor
