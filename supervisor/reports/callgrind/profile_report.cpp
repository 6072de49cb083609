#include "supervisor/reports/callgrind/profile_report.h"

#include <cstddef>
#include <utility>

#include "agent/tools/callgrind/records.h"
#include "protocol/client_requests.h"
#include "protocol/control.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/callgrind/live_answers.h"
#include "supervisor/reports/callgrind/record_reader.h"
#include "supervisor/reports/output_name.h"

namespace vsup::supervisor::callgrind {

namespace {

constexpr size_t kLongestTrigger = 1000;

uint64_t executed_blocks(const Profile& profile) {
  uint64_t sum = 0;
  for (const ThreadProfile& thread : profile.threads)
    for (const BlockCount& block : thread.blocks) sum += block.count * profile.shapes[block.shape].basic_blocks;
  return sum;
}

uint64_t executed_instructions(const Profile& profile) {
  uint64_t sum = 0;
  for (const ThreadProfile& thread : profile.threads) {
    for (const BlockCount& block : thread.blocks) sum += block.count * profile.shapes[block.shape].instruction_count;
    for (const ExtraCost& extra : thread.extra)
      if (extra.event == 0) sum += static_cast<uint64_t>(extra.value);
  }
  return sum;
}

}  // namespace

ProfileReport::ProfileReport(const ToolContext& context, ProfileOutputOptions options, cachesim::Simulation simulation,
                             std::vector<FunctionRule> rules, std::string every_blocks)
    : simulation_(simulation),
      separate_threads_(options.writer.separate_threads),
      output_(std::move(options), context.post, context.write_file, context.append_file),
      functions_(std::move(rules)),
      cuts_(simulation),
      every_blocks_(std::move(every_blocks)),
      log_(context.log) {}

void ProfileReport::image_started(const ProcessSummary& process) {
  Image image{process};
  // A fork's memory is its parent's, the records included.
  if (const auto parent = images_.find(process.parent); process.image == 0 && parent != images_.end())
    image.periods = parent->second.periods;
  images_[process.pid] = std::move(image);
}

void ProfileReport::module_mapped(pid_t pid, const MappedModule& module) {
  const pid_t reachable = module.tid != 0 ? module.tid : pid;
  if (module.inode != 0) output_.prepare(pid, reachable, module);
  constexpr uint64_t kCountAt = agent::callgrind::kToolBase + offsetof(agent::callgrind::Header, blocks);
  uint64_t blocks = 0;
  if (const auto found = images_.find(pid); found != images_.end() && read_value(reachable, kCountAt, blocks))
    found->second.periods.note(module, blocks);
  if (functions_.module_mapped(reachable, module)) return;
  const auto image = images_.find(pid);
  if (image == images_.end() || std::exchange(image->second.warned, true)) return;
  log_(image->second.process, "options name more than " + std::to_string(agent::callgrind::kMaxFunctions) +
                                  " functions: those of " + module.path +
                                  " and of later modules are not all told apart");
}

void ProfileReport::image_ended(pid_t pid) {
  images_.erase(pid);
  output_.forget(pid);
  cuts_.forget(pid);
}

void ProfileReport::block_left(pid_t pid, pid_t tid, uint64_t context, const BlockLeft& left) {
  cuts_.add(pid, tid, context, left);
}

void ProfileReport::when_written(std::function<void()> then) {
  output_.run([](ModuleCodeCache&) {}, std::move(then));
}

void ProfileReport::session_finished() {
  output_.finish();
}

std::optional<Profile> ProfileReport::read(StoppedProcess& process, const std::string& trigger, bool end,
                                           unsigned only) {
  if (process.generation() == 0) return {};
  Image& image = images_[process.pid()];
  std::optional<Profile> profile =
      read_records(process.tid(), process.generation(), simulation_, image.periods, end, only);
  if (!profile) return {};
  describe(*profile, image, trigger);
  return profile;
}

void ProfileReport::describe(Profile& profile, const Image& image, const std::string& trigger) {
  ProcessFacts& facts = profile.process;
  facts.pid = image.process.pid;
  facts.command = command_line(image.process);
  facts.part = image.part;
  facts.trigger = trigger.substr(0, kLongestTrigger);
  facts.first_block = image.blocks;
  facts.last_block = image.blocks + executed_blocks(profile);
}

void ProfileReport::say_what_is_lost(const Profile& profile, Image& image) const {
  const uint64_t lost = profile.lost_blocks + profile.lost_sites;
  if (std::exchange(image.lost, lost) == lost) return;
  log_(image.process, "there was no room to count " + std::to_string(profile.lost_blocks) +
                          " blocks of code that was translated late, and the calls of " +
                          std::to_string(profile.lost_sites) + " places: costs are too low");
}

void ProfileReport::records_ready(StoppedProcess& process, RecordsMoment moment) {
  bool end = true;
  if (moment == RecordsMoment::kExit) {
    // As in Valgrind, which leaves all functions then: the first part holds everything, the others nothing.
    for (const UnfinishedFunction& left : unfinished_functions(process)) {
      dump_part(process, "--dump-after=" + functions_.name_at(process.tid(), left.function),
                {.thread = separate_threads_ ? left.thread : 0, .end = end});
      end = separate_threads_;
    }
  }
  const std::string trigger = "Program termination";
  std::optional<Profile> profile = read(process, trigger, end);
  Image& image = images_[process.pid()];
  if (!profile) {
    if (process.generation() != 0) return;
    // Never switched on: it has counted nothing.
    profile = empty_profile(simulation_);
    describe(*profile, image, trigger);
  }
  say_what_is_lost(*profile, image);
  output_.add(std::move(*profile), {image.process.image, image.process.directory});
}

ProfileReport::PartOf ProfileReport::part_for(const StoppedProcess& process, pid_t tid) const {
  if (!separate_threads_) return {};
  for (const ThreadRegisters& thread : process.threads())
    if (thread.tid == tid && thread.context != 0) return {.thread = thread_number(thread.context)};
  return {};
}

void ProfileReport::dump_part(StoppedProcess& process, const std::string& trigger, const PartOf& wanted) {
  std::optional<Profile> profile = read(process, trigger, wanted.end, wanted.thread);
  Image& image = images_[process.pid()];
  if (!profile) {
    if (wanted.written) wanted.written(image.part, {});
    return;
  }
  say_what_is_lost(*profile, image);
  image.blocks = profile->process.last_block;
  const unsigned part = image.part++;
  zero_records(process, simulation_, wanted.thread);
  ProfilePlace place{image.process.image, image.process.directory, true};
  if (wanted.written) {
    place.written = [written = wanted.written, part](const std::vector<std::string>& files) { written(part, files); };
  }
  output_.add(std::move(*profile), std::move(place));
}

uint64_t ProfileReport::zero(StoppedProcess& process, unsigned thread) {
  const std::optional<Profile> profile = read(process, {}, false, thread);
  if (!profile) return 0;
  images_[process.pid()].blocks = profile->process.last_block;
  zero_records(process, simulation_, thread);
  return executed_instructions(*profile);
}

std::optional<uint64_t> ProfileReport::client_request(StoppedProcess& process, pid_t tid,
                                                      const ClientRequest& request) {
  using namespace protocol::client_request;
  switch (request[0]) {
    case kDumpStats:
      dump_part(process, "Client Request", part_for(process, tid));
      return 0;
    case kDumpStatsAt: {
      const std::optional<std::string> why = read_string(tid, request[1], kLongestTrigger);
      dump_part(process, "Client Request: " + why.value_or(""), part_for(process, tid));
      return 0;
    }
    case kZeroStats:
      zero(process, part_for(process, tid).thread);
      return 0;
    case kToggleCollect:
      return 0;  // from native code, where it changes nothing, as in Valgrind
    default:
      return {};
  }
}

void ProfileReport::agent_request(StoppedProcess& process, pid_t tid, uint64_t code, uint64_t argument) {
  namespace records = agent::callgrind;
  if ((code & records::kAskDumpBefore) != 0) {
    dump_part(process, "--dump-before=" + functions_.name_at(process.tid(), argument), part_for(process, tid));
  } else if ((code & records::kAskDumpAfter) != 0) {
    dump_part(process, "--dump-after=" + functions_.name_at(process.tid(), argument), part_for(process, tid));
  } else if ((code & records::kAskDumpEvery) != 0) {
    dump_part(process, every_blocks_, {});
  } else if ((code & records::kAskZero) != 0) {
    zero(process, part_for(process, tid).thread);
  }
}

bool ProfileReport::serves(std::string_view name) const {
  for (const char* known : {protocol::kRequestDump, protocol::kRequestZero, protocol::kRequestEvents,
                            protocol::kRequestToolStatus, protocol::kRequestCallStacks, protocol::kRequestCosts})
    if (name == known) return true;
  return false;
}

void ProfileReport::request(const ToolRequest& request, StoppedProcess& process,
                            std::function<void(ToolAnswer)> answer) {
  if (request.name == protocol::kRequestDump) {
    const std::string hint = text_member(request.line, "hint");
    dump_part(process, hint.empty() ? "dump" : "dump " + hint,
              {.written = [answer](unsigned part, const std::vector<std::string>& files) {
                answer({dump_answer(part, files), {}});
              }});
  } else if (request.name == protocol::kRequestZero) {
    answer({zero_answer({"Ir"}, {zero(process)}), {}});
  } else if (request.name == protocol::kRequestEvents) {
    std::vector<std::string> names;
    for (const agent::cachesim::Event event : simulation_.events()) names.emplace_back(cachesim::event_name(event));
    answer({events_answer(names, read_live_threads(process, simulation_, false)), {}});
  } else if (request.name == protocol::kRequestToolStatus) {
    answer_status(process, request.process.mode == ProcessMode::kInstrumented, answer);
  } else if (request.name == protocol::kRequestCallStacks) {
    answer_call_stacks(process, answer);
  } else {
    answer_costs(process, limit_member(request.line), answer);
  }
}

void ProfileReport::answer_status(StoppedProcess& process, bool on, const std::function<void(ToolAnswer)>& answer) {
  auto profile = std::make_shared<std::optional<Profile>>(read(process, {}));
  auto threads = std::make_shared<std::vector<LiveThread>>(read_live_threads(process, simulation_, false));
  const unsigned part = images_[process.pid()].part;
  auto text = std::make_shared<std::string>();
  output_.run(
      [=](ModuleCodeCache& cache) {
        *text = status_answer(on, part, *threads, profile->has_value() ? &**profile : nullptr, cache);
      },
      [=] {
        answer({*text, {}});
      });
}

void ProfileReport::answer_call_stacks(StoppedProcess& process, const std::function<void(ToolAnswer)>& answer) {
  auto threads = std::make_shared<std::vector<LiveThread>>(read_live_threads(process, simulation_, true));
  auto modules = std::make_shared<std::vector<Module>>(ModuleMap::of_process(process.tid()).modules());
  auto text = std::make_shared<std::string>();
  output_.run(
      [=, pid = process.pid()](ModuleCodeCache& cache) { *text = call_stacks_answer(*threads, *modules, pid, cache); },
      [=] {
        answer({*text, {}});
      });
}

void ProfileReport::answer_costs(StoppedProcess& process, size_t limit, const std::function<void(ToolAnswer)>& answer) {
  auto profile = std::make_shared<std::optional<Profile>>(read(process, {}));
  auto text = std::make_shared<std::string>();
  output_.run(
      [=](ModuleCodeCache& cache) { *text = costs_answer(profile->has_value() ? &**profile : nullptr, limit, cache); },
      [=] {
        answer({*text, {}});
      });
}

}  // namespace vsup::supervisor::callgrind
