// Purpose: the tool leaks: what --tool= finds, and its ToolReport.
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "agent/tools/leaks/records.h"
#include "protocol/control.h"
#include "supervisor/base/clock.h"
#include "supervisor/reports/heap/python_options.h"
#include "supervisor/reports/leaks/leak_checks.h"
#include "supervisor/reports/leaks/leak_options.h"
#include "supervisor/reports/output_name.h"
#include "supervisor/session/tool_report.h"

namespace vsup::supervisor {

namespace {

namespace records = agent::leaks;
using Json = nlohmann::json;

constexpr ToolOption kOptions[] = {
#define LEAKS_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/leaks/options.def"
#undef LEAKS_OPTION
#define PYTHON_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/heap/python_options.def"
#undef PYTHON_OPTION
};

void configure(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  leaks::leak_options(options);  // throws
  configure_python(options, settings);
  settings.hook_heap = 1;
  settings.run_native = 1;
  settings.tool_options[records::kOptionDepth] = options.number("num-callers") - 1;
  settings.tool_options[records::kOptionFreeLibc] = options.yes("run-libc-freeres") ? 1 : 0;
  settings.tool_options[records::kOptionFreeCxx] = options.yes("run-cxx-freeres") ? 1 : 0;
}

// Lines between "{" and "}" are suppressions, to be copied: they go without the prefix of log lines.
void log_report(const ToolContext& context, const ProcessSummary& image, const std::string& text) {
  std::string lines;
  bool plain = false;
  const auto flush = [&] {
    if (!lines.empty()) (plain ? context.log_plain : context.log)(image, lines);
    lines.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (line == "{") {
      flush();
      plain = true;
    }
    lines += std::string(line) + "\n";
    if (line == "}") {
      flush();
      plain = false;
    }
    at = end + 1;
  }
  flush();
}

class LeaksReport : public ToolReport {
 public:
  explicit LeaksReport(const ToolContext& context)
      : context_(context),
        options_(leaks::leak_options(context.options)),
        checks_(leaks::load_suppressions(context.options), context.post) {}

  void image_started(const ProcessSummary& process) override {
    Image& image = images_[process.pid];
    image.summary = process;
    image.state = std::make_shared<leaks::ImageChecks>(options_.naming);
    image.started_seconds = monotonic_seconds() - began_seconds_;
  }

  void records_ready(StoppedProcess& process, RecordsMoment moment) override {
    const auto found = images_.find(process.pid());
    if (found == images_.end()) return;
    Image& image = found->second;
    image.before_exec.reset();
    if (moment == RecordsMoment::kEnding) {
      image.libraries = leaks::take_library_data(process);
      return;
    }
    auto snapshot = leaks::take_leak_snapshot(
        process, {options_.heuristics, moment == RecordsMoment::kExit, std::exchange(image.libraries, {})});
    if (!snapshot) return;
    if (moment == RecordsMoment::kExec) {
      // It may fail, and the program go on.
      image.before_exec = std::make_shared<leaks::LeakSnapshot>(std::move(*snapshot));
    } else {
      check_at_end(image, std::move(*snapshot), true);
    }
  }

  void image_ended(pid_t pid) override {
    const auto image = images_.find(pid);
    if (image == images_.end()) return;
    // Memcheck has nothing to say of a program that is replaced by another: there are no errors in it.
    if (image->second.before_exec) check_at_end(image->second, std::move(*image->second.before_exec), false);
    images_.erase(image);
  }

  bool serves(std::string_view name) const override { return name == protocol::kRequestLeaks; }

  void request(const ToolRequest& request, StoppedProcess& process, std::function<void(ToolAnswer)> answer) override {
    const auto image = images_.find(process.pid());
    leaks::CheckRequest check;
    check.report = options_.report;
    check.report.requested = true;
    std::string error = read_request(request.line, check.report);
    if (image == images_.end()) error = "the process is not known";
    if (!error.empty()) return answer({{}, error});
    auto snapshot = leaks::take_leak_snapshot(process, {options_.heuristics, false, {}});
    if (!snapshot) return answer({{}, "the heap's records cannot be read"});
    const double milliseconds = snapshot->milliseconds;
    checks_.check(
        image->second.state, std::move(*snapshot), check,
        [this, summary = image->second.summary, milliseconds, answer](const leaks::CheckAnswer& result) {
          log_report(context_, summary, result.text);
          Json json = {{"text", result.text},       {"records", result.records},   {"shown", result.shown},
                       {"bytes", result.use.bytes}, {"blocks", result.use.blocks}, {"milliseconds", milliseconds}};
          for (unsigned i = 0; i < kLeakKindCount; ++i) {
            const leaks::Totals& total = result.totals.kinds[i];
            json[leak_kind_name(static_cast<LeakKind>(i))] = {{"bytes", total.bytes}, {"blocks", total.blocks}};
          }
          answer({json.dump(-1, ' ', false, Json::error_handler_t::replace), {}});
        });
  }

  void when_written(std::function<void()> then) override { checks_.when_done(std::move(then)); }

  void session_finished() override { checks_.finish(); }

  std::optional<int> exit_code() const override {
    if (options_.error_exitcode == 0 || errors_ == 0) return {};
    return options_.error_exitcode;
  }

 private:
  struct Image {
    ProcessSummary summary;
    std::shared_ptr<leaks::ImageChecks> state;
    double started_seconds = 0;
    std::optional<leaks::LibraryData> libraries;       // when it was about to end
    std::shared_ptr<leaks::LeakSnapshot> before_exec;  // taken when it was about to execute another program
  };

  void check_at_end(const Image& image, leaks::LeakSnapshot snapshot, bool errors_count) {
    leaks::CheckRequest request;
    request.report = options_.report;
    request.at_exit = true;
    Image ended = image;
    ended.before_exec.reset();
    ended.libraries.reset();
    checks_.check(image.state, std::move(snapshot), request,
                  [this, ended = std::move(ended), errors_count,
                   end = monotonic_seconds() - began_seconds_](const leaks::CheckAnswer& answer) {
                    if (errors_count) errors_ += answer.errors;
                    write(ended, end, answer);
                  });
  }

  // The members of the request (protocol/control.h) that say what to show. Returns what is wrong.
  static std::string read_request(const std::string& line, leaks::LeakReportOptions& report) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return "not a JSON object";
    const auto text = [&json](const char* member) {
      const auto found = json.find(member);
      return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const std::string delta = text("delta"), kinds = text("kinds"), detail = text("detail");
    if (delta == "new") {
      report.delta = leaks::LeakDelta::kNew;
    } else if (delta == "changed") {
      report.delta = leaks::LeakDelta::kChanged;
    } else if (delta == "increased") {
      report.delta = leaks::LeakDelta::kIncreased;
    } else if (!delta.empty() && delta != "any") {
      return "delta is any, increased, changed or new";
    }
    // What has grown is of interest although it is not lost.
    if (report.delta != leaks::LeakDelta::kAny) report.shown = kAllLeakKinds;
    if (!kinds.empty()) {
      const auto parsed = parse_leak_kinds(kinds);
      if (!parsed) return "kinds is a list of definite, indirect, possible, reachable; or all, or none";
      report.shown = *parsed;
    }
    report.detail = detail == "summary" ? leaks::LeakDetail::kSummary : leaks::LeakDetail::kFull;
    return {};
  }

  void write(const Image& image, double ended_seconds, const leaks::CheckAnswer& answer) {
    log_report(context_, image.summary, answer.text);
    if (context_.verbosity > 0) {
      for (const std::string& line : answer.used_suppressions) context_.log(image.summary, line);
    }
    if (!context_.options.yes("xml")) return;
    XmlProgram program;
    program.pid = image.summary.pid;
    program.parent = image.summary.system_parent;
    program.preamble = {"vsup " VSUP_VERSION ", tool leaks", "Command: " + command_line(image.summary)};
    program.user_comment = context_.options.text("xml-user-comment");
    program.vsup_words = leaks::given_words(context_.options, kOptions);
    program.program_words = image.summary.arguments;
    program.started_seconds = image.started_seconds;
    program.ended_seconds = ended_seconds;
    context_.write_file(output_name(context_.options.text("xml-file"), image.summary),
                        valgrind_xml(program, answer.xml, answer.suppression_counts));
  }

  const ToolContext& context_;
  const leaks::LeakOptions options_;
  const double began_seconds_ = monotonic_seconds();
  uint64_t errors_ = 0;
  std::map<pid_t, Image> images_;
  leaks::LeakChecks checks_;
};

constexpr ToolDescription kTools[] = {
    {"leaks", "which blocks of the heap nobody points to, at the end and on request", "leaks", kOptions, configure,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> { return std::make_unique<LeaksReport>(context); }},
};

}  // namespace

std::span<const ToolDescription> tools_in_leaks() {
  return kTools;
}

}  // namespace vsup::supervisor
