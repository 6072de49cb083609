// Purpose: the tool dhat: what --tool= finds, and its ToolReport.
#include <condition_variable>
#include <map>
#include <mutex>

#include "supervisor/reports/dhat/site_views.h"
#include "supervisor/reports/heap/python_options.h"
#include "supervisor/reports/heap/tick_rate.h"
#include "supervisor/session/log_name.h"
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
    for (const std::string& argument : image.arguments)
      records->command += (records->command.empty() ? "" : " ") + argument;
    if (records->header.left_out != 0)
      context_.log(image, std::to_string(records->header.left_out) + " events of too many stacks are not counted");
    add(std::move(*records), image);
  }

  void image_ended(pid_t pid) override { images_.erase(pid); }

  void session_finished() override {
    if (!worker_) return;
    {
      std::unique_lock lock(mutex_);
      done_.wait(lock, [this] { return under_way_ == 0; });
    }
    worker_.reset();
    write_ready();
  }

 private:
  struct File {
    std::string name, content;
  };

  void add(dhat::SiteRecords records, const ProcessSummary& image) {
    std::string error, pattern = context_.options.text("dhat-out-file");
    std::string name = expand_log_name(pattern, records.pid, image.image, error);
    if (name.empty() || name.front() != '/') name = image.directory + "/" + name;
    const std::string directory = image.directory;
    const bool collapsed = context_.options.yes("collapsed");
    {
      std::lock_guard lock(mutex_);
      ++under_way_;
    }
    if (!worker_) worker_ = std::make_unique<SymbolWorker>(context_.post);
    worker_->run(
        [this, records = std::make_shared<dhat::SiteRecords>(std::move(records)), name, directory,
         collapsed](Symbolizer& symbolizer) {
          FrameDescriber describer(symbolizer, records->modules, records->stacks);
          const dhat::Describe describe = std::ref(describer);
          std::vector<File> files{{name, write_dhat(dhat_file(*records, describe))}};
          if (collapsed) {
            using dhat::Weight;
            for (auto [weight, word] :
                 {std::pair{Weight::kLive, "live"}, {Weight::kPeak, "peak"}, {Weight::kTotal, "total"}}) {
              files.push_back(
                  {heap_stacks_name(directory, word, records->pid),
                   write_collapsed(weighted_stacks(records->stacks, weights_of(*records, weight), describe))});
            }
          }
          std::lock_guard lock(mutex_);
          for (File& file : files) ready_.push_back(std::move(file));
          --under_way_;
          done_.notify_one();
        },
        [this] { write_ready(); });
  }

  void write_ready() {
    std::vector<File> files;
    {
      std::lock_guard lock(mutex_);
      files.swap(ready_);
    }
    for (const File& file : files) context_.write_file(file.name, file.content);
  }

  const ToolContext& context_;
  std::map<pid_t, ProcessSummary> images_;
  std::mutex mutex_;
  std::condition_variable done_;
  unsigned under_way_ = 0;  // jobs
  std::vector<File> ready_;
  std::unique_ptr<SymbolWorker> worker_;  // last: its thread uses the others
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
