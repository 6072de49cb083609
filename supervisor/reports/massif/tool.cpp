// Purpose: the tool massif: what --tool= finds, and its ToolReport.
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/tools/massif/records.h"
#include "supervisor/reports/heap/python_options.h"
#include "supervisor/reports/heap/tick_rate.h"
#include "supervisor/reports/heap/weighted_stacks.h"
#include "supervisor/reports/massif/massif_output.h"
#include "supervisor/reports/massif/record_reader.h"
#include "supervisor/reports/output_name.h"
#include "supervisor/session/tool_report.h"

namespace vsup::supervisor {

namespace {

namespace records = agent::massif;
using Json = nlohmann::json;

constexpr ToolOption kOptions[] = {
#define MASSIF_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/massif/options.def"
#undef MASSIF_OPTION
#define PYTHON_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/heap/python_options.def"
#undef PYTHON_OPTION
};

// Frames above the depth that may turn out to be allocation functions.
constexpr uint64_t kSpareFrames = 50;

records::TimeUnit time_unit(const ToolOptionValues& options) {
  if (options.text("time-unit") == "i") return records::kTimeInstructions;
  return options.text("time-unit") == "B" ? records::kTimeBytes : records::kTimeMilliseconds;
}

void configure(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  settings.hook_heap = protocol::kHookFunctions;
  const bool pages = options.yes("pages-as-heap");
  if (pages) settings.hook_heap = protocol::kHookLoaderOnly;
  settings.run_native = options.text("time-unit") == "i" || options.yes("stacks") || pages ? 0 : 1;
  configure_python(options, settings);
  uint64_t* values = settings.tool_options;
  values[records::kOptionHeap] = options.yes("heap") || pages ? 1 : 0;
  values[records::kOptionPages] = pages ? 1 : 0;
  values[records::kOptionHeapAdmin] = pages ? 0 : options.number("heap-admin");
  values[records::kOptionDepth] = options.number("depth") + (options.all("alloc-fn").empty() ? 0 : kSpareFrames);
  values[records::kOptionPeakInaccuracy] = static_cast<uint64_t>(std::llround(options.real("peak-inaccuracy") * 1e6));
  values[records::kOptionDetailedFreq] = options.number("detailed-freq");
  values[records::kOptionStacks] = options.yes("stacks") ? 1 : 0;
  values[records::kOptionIgnore] = options.all("ignore-fn").empty() ? 0 : 1;
  values[records::kOptionTotals] = options.yes("collapsed") ? 1 : 0;
  values[records::kOptionMaxSnapshots] = options.number("max-snapshots");
  values[records::kOptionTimeUnit] = time_unit(options);
  if (values[records::kOptionTimeUnit] == records::kTimeMilliseconds)
    values[records::kOptionTicksPerSecond] = ticks_per_second();
}

std::string given_options(const ToolOptionValues& values) {
  std::string text;
  for (const ToolOption& option : kOptions) {
    if (!values.given(option.name)) continue;
    for (const std::string& value : values.all(option.name))
      text += (text.empty() ? "--" : " --") + std::string(option.name) + "=" + value;
  }
  return text;
}

massif::WriterOptions writer_options(const ToolOptionValues& values) {
  massif::WriterOptions options;
  options.description = given_options(values);
  options.time_unit = values.text("time-unit");
  options.depth = static_cast<unsigned>(values.number("depth"));
  options.threshold = values.real("threshold");
  options.pages = values.yes("pages-as-heap");
  // Who calls malloc is beside the point there.
  if (!options.pages)
    for (const std::string& name : massif::default_alloc_fns()) options.alloc_fns.insert(name);
  for (const std::string& name : values.all("alloc-fn")) options.alloc_fns.insert(name);
  return options;
}

class MassifReport : public ToolReport {
 public:
  explicit MassifReport(const ToolContext& context)
      : context_(context), output_(writer_options(context.options), context.post) {}

  void image_started(const ProcessSummary& process) override {
    images_[process.pid] = process;
    // Of one that is switched off there will mostly be nothing to write.
    if (process.mode == ProcessMode::kInstrumented) output_.expect(process.pid);
  }

  void module_mapped(pid_t pid, const MappedModule& module) override {
    if (images_.contains(pid)) output_.expect_module(pid, module.start);
  }

  void records_ready(StoppedProcess& process, RecordsMoment) override {
    auto profile = massif::read_profile(process, context_.options.yes("collapsed"));
    if (!profile) return;
    write(std::move(*profile), context_.options.text("massif-out-file"), [](const std::string&) {});
  }

  // Allocation functions are skipped to find the one that is ignored.
  std::map<std::string, protocol::NamedKind> named_functions() const override {
    std::map<std::string, protocol::NamedKind> names;
    const auto ignored = context_.options.all("ignore-fn");
    if (ignored.empty()) return names;
    for (const std::string& name : massif::default_alloc_fns()) names[name] = protocol::kNamedAllocator;
    for (const std::string& name : context_.options.all("alloc-fn")) names[name] = protocol::kNamedAllocator;
    for (const std::string& name : ignored) names.try_emplace(name, protocol::kNamedIgnored);
    return names;
  }

  void image_ended(pid_t pid) override { images_.erase(pid); }

  bool serves(std::string_view name) const override { return name == "snapshot"; }

  void request(const ToolRequest& request, StoppedProcess& process, std::function<void(ToolAnswer)> answer) override {
    const Json line = Json::parse(request.line, nullptr, false);
    const bool detailed = line.is_object() && line.value("detailed", Json()) == true;
    auto profile = massif::read_present(process, time_unit(context_.options), detailed);
    if (!profile) return answer({{}, "the heap's records cannot be read"});
    write(std::move(*profile), "massif.vctl.out." + std::to_string(++requested_), [answer](const std::string& name) {
      answer({Json{{"file", name}}.dump(-1, ' ', false, Json::error_handler_t::replace), {}});
    });
  }

  void when_written(std::function<void()> then) override { output_.when_done(std::move(then)); }

  void session_finished() override { output_.finish(); }

 private:
  void say_what_is_lost(const massif::HeapProfile& profile, const ProcessSummary& image) const {
    if (profile.lost_blocks > 0)
      context_.log(image,
                   "there was no room to record " + std::to_string(profile.lost_blocks) + " blocks: they are missing");
    if (profile.lost_changes > 0)
      context_.log(image, "there was no room to record " + std::to_string(profile.lost_changes) +
                              " changes: detailed snapshots do not show them");
  }

  void write(massif::HeapProfile profile, const std::string& pattern, std::function<void(const std::string&)> written) {
    const ProcessSummary& image = images_[profile.pid];
    say_what_is_lost(profile, image);
    profile.command = command_line(image);
    const std::string name = output_name(pattern, image);
    const std::string directory = image.directory;
    const pid_t pid = profile.pid;
    const bool weighted = profile.weighted;
    output_.add(std::move(profile), [=, this, written = std::move(written)](const massif::MassifOutput::Texts& texts) {
      context_.write_file(name, texts.massif);
      if (weighted) {
        context_.write_file(heap_stacks_name(directory, "live", pid), texts.live);
        context_.write_file(heap_stacks_name(directory, "peak", pid), texts.peak);
        context_.write_file(heap_stacks_name(directory, "total", pid), texts.total);
      }
      written(name);
    });
  }

  const ToolContext& context_;
  massif::MassifOutput output_;
  std::map<pid_t, ProcessSummary> images_;
  unsigned requested_ = 0;
};

constexpr ToolDescription kTools[] = {
    {"massif", "what the heap holds over time, by stack; writes massif.out", "massif", kOptions, configure,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> { return std::make_unique<MassifReport>(context); }},
};

}  // namespace

std::span<const ToolDescription> tools_in_massif() {
  return kTools;
}

}  // namespace vsup::supervisor
