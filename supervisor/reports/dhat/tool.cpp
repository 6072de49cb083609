// Purpose: the tool dhat: what --tool= finds, and its ToolReport.
#include <map>
#include <memory>

#include "supervisor/reports/dhat/site_views.h"
#include "supervisor/reports/heap/python_options.h"
#include "supervisor/reports/heap/tick_rate.h"
#include "supervisor/reports/output_name.h"
#include "supervisor/session/tool_report.h"
#include "supervisor/symbols/thread_stacks.h"

namespace vsup::supervisor {

namespace {

constexpr ToolOption kOptions[] = {
#define DHAT_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/dhat/options.def"
#undef DHAT_OPTION
#define PYTHON_OPTION(name, kind, argument, low, high, default_text, help) \
  {{name, OptionKind::kind, argument}, low, high, default_text, help},
#include "supervisor/reports/heap/python_options.def"
#undef PYTHON_OPTION
};

void configure(const ToolOptionValues& options, protocol::AgentSettings& settings) {
  settings.hook_heap = 1;
  settings.run_native = 1;
  configure_python(options, settings);
  settings.tool_options[agent::dhat::kOptionDepth] = options.number("num-callers");
  settings.tool_options[agent::dhat::kOptionTicksPerSecond] = ticks_per_second();
}

class DhatReport : public ToolReport {
 public:
  explicit DhatReport(const ToolContext& context) : context_(context) {}

  void image_started(const ProcessSummary& process) override { images_[process.pid] = process; }

  void records_ready(StoppedProcess& process, RecordsMoment) override {
    auto records = dhat::read_sites(process, ticks_per_second());
    if (!records) return;
    const ProcessSummary& image = images_[records->pid];
    records->command = command_line(image);
    if (records->header.left_out != 0)
      context_.log(image, std::to_string(records->header.left_out) + " events of too many stacks are not counted");
    add(std::move(*records), image);
  }

  void image_ended(pid_t pid) override { images_.erase(pid); }

  void when_written(std::function<void()> then) override { worker_.when_done(std::move(then)); }

  void session_finished() override { worker_.finish(); }

 private:
  struct File {
    std::string name, content;
  };

  void add(dhat::SiteRecords given, const ProcessSummary& image) {
    const auto records = std::make_shared<const dhat::SiteRecords>(std::move(given));
    const auto files = std::make_shared<std::vector<File>>();
    worker_.run(
        [records, files, name = output_name(context_.options.text("dhat-out-file"), image), directory = image.directory,
         collapsed = context_.options.yes("collapsed")](Symbolizer& symbolizer) {
          FrameDescriber describer(symbolizer, records->modules, records->stacks);
          const dhat::Describe describe = std::ref(describer);
          files->push_back({name, write_dhat(dhat_file(*records, describe))});
          if (!collapsed) return;
          using dhat::Weight;
          for (auto [weight, word] :
               {std::pair{Weight::kLive, "live"}, {Weight::kPeak, "peak"}, {Weight::kTotal, "total"}}) {
            files->push_back(
                {heap_stacks_name(directory, word, records->pid),
                 write_collapsed(weighted_stacks(records->stacks, weights_of(*records, weight), describe))});
          }
        },
        [this, files] {
          for (const File& file : *files) context_.write_file(file.name, file.content);
        });
  }

  const ToolContext& context_;
  std::map<pid_t, ProcessSummary> images_;
  SymbolWorker worker_{context_.post};
};

constexpr ToolDescription kTools[] = {
    {"dhat", "what each stack allocates, and how long it lives; writes dhat.out", "dhat", kOptions, configure,
     [](const ToolContext& context) -> std::unique_ptr<ToolReport> { return std::make_unique<DhatReport>(context); }},
};

}  // namespace

std::span<const ToolDescription> tools_in_dhat() {
  return kTools;
}

}  // namespace vsup::supervisor
