#include "supervisor/reports/callgrind/live_answers.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "supervisor/reports/callgrind/group.h"
#include "supervisor/reports/html/function_costs.h"

namespace vsup::supervisor::callgrind {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kDefaultLimit = 50, kLargestLimit = 1000;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string hexadecimal(uint64_t address) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

Json thread_head(const LiveThread& thread) {
  return {{"number", thread.number}, {"tid", thread.tid}, {"name", thread.name}};
}

Json thread_events(const std::vector<LiveThread>& threads) {
  Json rows = Json::array();
  for (const LiveThread& thread : threads) {
    Json row = thread_head(thread);
    row["values"] = thread.events;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::string text_member(const std::string& line, const char* name) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return {};
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

size_t limit_member(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  const auto found = json.is_object() ? json.find("limit") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_number_unsigned()) return kDefaultLimit;
  return std::min<uint64_t>(found->get<uint64_t>(), kLargestLimit);
}

std::string dump_answer(unsigned part, const std::vector<std::string>& files) {
  return dump({{"part", part}, {"files", files}});
}

std::string zero_answer(const std::vector<std::string>& events, const std::vector<uint64_t>& values) {
  return dump({{"events", events}, {"values", values}});
}

std::string events_answer(const std::vector<std::string>& events, const std::vector<LiveThread>& threads) {
  return dump({{"events", events}, {"threads", thread_events(threads)}});
}

std::string status_answer(bool on, unsigned part, const std::vector<LiveThread>& threads, const Profile* profile,
                          ModuleCodeCache& cache) {
  uint64_t blocks = 0, calls = 0;
  std::set<uint32_t> shapes;
  std::set<std::pair<uint64_t, uint64_t>> sites;
  std::set<std::string> functions;
  std::set<std::string> contexts;
  std::vector<std::string> events{"Ir"};
  if (profile != nullptr) {
    events = profile->events;
    for (const ThreadProfile& thread : profile->threads) {
      for (const BlockCount& block : thread.blocks) {
        blocks += block.count;
        shapes.insert(block.shape);
      }
      for (const CallEdge& call : thread.calls) {
        calls += call.count;
        sites.emplace(call.site, call.callee);
      }
    }
    for (const GroupedFunction& function : group(*profile, {}, cache).functions) {
      const std::string place = "|" + std::to_string(function.object) + "|" + std::to_string(function.file);
      functions.insert(function.plain + place);
      contexts.insert(function.name + place);
    }
  }
  return dump({{"instrumentation", on ? "on" : "off"},
               {"executed-bbs", blocks},
               {"executed-calls", calls},
               {"distinct-bbs", shapes.size()},
               {"distinct-calls", sites.size()},
               {"distinct-functions", functions.size()},
               {"distinct-contexts", contexts.size()},
               {"events", events},
               {"part", part},
               {"threads", thread_events(threads)}});
}

std::string call_stacks_answer(const std::vector<LiveThread>& threads, const std::vector<Module>& modules, pid_t pid,
                               ModuleCodeCache& cache) {
  std::vector<uint64_t> entries;
  for (const LiveThread& thread : threads)
    for (const OpenFrame& frame : thread.frames) entries.push_back(frame.callee);
  std::sort(entries.begin(), entries.end());
  CodeMap map(modules, cache, pid, std::move(entries));
  Json rows = Json::array();
  for (const LiveThread& thread : threads) {
    Json frames = Json::array();
    const auto add = [&](uint64_t address) -> Json& {
      const CodeMap::Function& function = map.functions()[map.function_at(address)];
      frames.push_back({{"address", hexadecimal(address)}, {"function", function.name}});
      if (function.object != CodeMap::kUnknown) frames.back()["module"] = map.objects()[function.object];
      if (function.file != CodeMap::kUnknown) frames.back()["file"] = map.files()[function.file];
      return frames.back();
    };
    for (const OpenFrame& frame : thread.frames) {
      if (map.functions()[map.function_at(frame.callee)].name.ends_with("@plt")) continue;  // a way, no function
      Json& row = add(frame.callee);
      row["calls"] = frame.calls;
      row["inclusive"] = frame.inclusive;
    }
    // The function that called first was entered before anything was counted.
    if (thread.frames_left_out == 0) add(thread.frames.empty() ? thread.pc : thread.frames.back().site);
    Json row = thread_head(thread);
    row["frames"] = std::move(frames);
    if (thread.frames_left_out != 0) row["left_out"] = thread.frames_left_out;
    rows.push_back(std::move(row));
  }
  return dump({{"threads", std::move(rows)}});
}

std::string costs_answer(const Profile* profile, size_t limit, ModuleCodeCache& cache) {
  if (profile == nullptr) return dump({{"event", "Ir"}, {"total", 0}, {"functions", Json::array()}});
  const Grouped grouped = group(*profile, {}, cache);
  uint64_t total = 0;
  for (const GroupedPart& part : grouped.parts) total += part.totals.front();
  std::vector<html::ReportFunction> functions = html::function_costs(grouped, {});
  const auto by_self = [](const auto& a, const auto& b) { return a.self > b.self; };
  const auto by_inclusive = [](const auto& a, const auto& b) { return a.inclusive > b.inclusive; };
  // Those of either order that come first.
  std::vector<html::ReportFunction> chosen;
  std::sort(functions.begin(), functions.end(), by_inclusive);
  const size_t half = std::min(limit, functions.size());
  chosen.assign(functions.begin(), functions.begin() + static_cast<ptrdiff_t>(half));
  std::sort(functions.begin() + static_cast<ptrdiff_t>(half), functions.end(), by_self);
  for (size_t i = half; i < functions.size() && i < half + limit; ++i) chosen.push_back(functions[i]);
  std::sort(chosen.begin(), chosen.end(), by_self);
  Json rows = Json::array();
  for (const html::ReportFunction& function : chosen) {
    rows.push_back({{"function", function.name},
                    {"file", function.file},
                    {"module", function.object},
                    {"self", function.self},
                    {"inclusive", function.inclusive},
                    {"calls", function.calls}});
  }
  return dump({{"event", grouped.events.front()}, {"total", total}, {"functions", std::move(rows)}});
}

}  // namespace vsup::supervisor::callgrind
