#include "supervisor/reports/html/report_page.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace vsup::supervisor::html {
namespace {

using callgrind::NamedStacks;
using callgrind::StackNode;
using nlohmann::json;

const char kStyle[] =
#include "supervisor/reports/html/page_style.inc"
    ;
const char kBody[] =
#include "supervisor/reports/html/page_body.inc"
    ;
const char kScript[] =
#include "supervisor/reports/html/page_base.inc"
#include "supervisor/reports/html/page_flame.inc"
#include "supervisor/reports/html/page_functions.inc"
#include "supervisor/reports/html/page_leaks.inc"
#include "supervisor/reports/html/page_memory.inc"
#include "supervisor/reports/html/page_script.inc"
    ;

// JSON within a script element: nothing in it can end the element.
std::string embedded(const json& data) {
  std::string text = data.dump(-1, ' ', false, json::error_handler_t::replace), result;
  result.reserve(text.size() + text.size() / 16);
  for (char c : text) {
    if (c == '<') {
      result += "\\u003c";
    } else if (c == '&') {
      result += "\\u0026";
    } else {
      result += c;
    }
  }
  return result;
}

// Names of functions, files and objects are in the page once.
class StringTable {
 public:
  size_t add(const std::string& text) {
    auto [id, is_new] = ids_.try_emplace(text, strings_.size());
    if (is_new) {
      if (is_python_frame(text)) python_.push_back(id->second);
      strings_.push_back(text);
    }
    return id->second;
  }
  json strings() const { return strings_; }
  json python() const { return python_; }

 private:
  std::unordered_map<std::string, size_t> ids_;
  std::vector<std::string> strings_;
  std::vector<size_t> python_;
};

json functions_json(const ReportView& view, const PageLimits& limits, StringTable& strings) {
  std::vector<size_t> order(view.functions.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  std::vector<bool> chosen(order.size());
  auto choose = [&](auto key) {
    size_t count = std::min(limits.functions, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                      [&](size_t a, size_t b) { return key(view.functions[a]) > key(view.functions[b]); });
    for (size_t i = 0; i < count; i++) chosen[order[i]] = true;
  };
  choose([](const ReportFunction& function) { return function.self; });
  choose([](const ReportFunction& function) { return function.inclusive; });
  json rows = json::array();
  for (size_t i = 0; i < chosen.size(); i++) {
    const ReportFunction& function = view.functions[i];
    if (!chosen[i]) continue;
    rows.push_back({strings.add(function.name), strings.add(function.file), strings.add(function.object), function.self,
                    function.inclusive, function.calls});
  }
  return rows;
}

// The `limit` widest nodes. A parent is at least as wide as its children, so that none loses its parent.
std::vector<bool> widest(const NamedStacks& stacks, size_t limit) {
  std::vector<bool> kept(stacks.nodes.size());
  uint64_t smallest = 0;
  size_t room = limit;  // for nodes that are just as wide as the smallest
  if (stacks.nodes.size() > limit) {
    std::vector<uint64_t> costs;
    for (const auto& node : stacks.nodes) costs.push_back(node.inclusive);
    std::nth_element(costs.begin(), costs.begin() + static_cast<ptrdiff_t>(limit), costs.end(), std::greater<>());
    smallest = costs[limit];
    for (size_t i = 0; i < limit; i++) room -= costs[i] > smallest;
  }
  for (size_t i = 0; i < stacks.nodes.size(); i++) {
    const auto& node = stacks.nodes[i];
    bool wide = node.inclusive > smallest;
    if (!wide && (node.inclusive < smallest || node.inclusive == 0 || room == 0)) continue;
    kept[i] = node.parent == StackNode::kRoot || kept[node.parent];
    if (!wide && kept[i]) room--;
  }
  return kept;
}

// The tree as arrays, parents first.
json stacks_json(const NamedStacks& stacks, size_t limit, StringTable& strings) {
  std::vector<bool> kept = widest(stacks, limit);
  json parents = json::array(), names = json::array(), inclusive = json::array(), self = json::array();
  std::vector<size_t> place(stacks.nodes.size());
  for (size_t i = 0; i < stacks.nodes.size(); i++) {
    const auto& node = stacks.nodes[i];
    if (!kept[i]) continue;
    place[i] = parents.size();
    parents.push_back(node.parent == StackNode::kRoot ? -1 : static_cast<int64_t>(place[node.parent]));
    names.push_back(strings.add(stacks.names[node.name]));
    inclusive.push_back(node.inclusive);
    self.push_back(node.self);
  }
  size_t left_out = stacks.nodes.size() - parents.size();
  return {{"parent", parents}, {"name", names}, {"cost", inclusive}, {"self", self}, {"left_out", left_out}};
}

json view_json(const ReportView& view, const PageLimits& limits, size_t frames, StringTable& strings) {
  return {{"title", view.title},
          {"unit", view.unit},
          {"total", view.total},
          {"functions", functions_json(view, limits, strings)},
          {"function_count", view.functions.size()},
          {"stacks", stacks_json(view.stacks, frames, strings)}};
}

// Each snapshot with a tree adds a view; its place among the views is told.
json memory_json(const MassifFile& file, const PageLimits& limits, size_t frames, json& views, StringTable& strings) {
  json snapshots = json::array();
  for (const MassifSnapshot& snapshot : file.snapshots) {
    int64_t view = -1;
    if (!snapshot.tree.nodes.empty()) {
      bool is_peak = snapshot.kind == MassifSnapshot::Kind::kPeak;
      ReportView shown{"Snapshot " + std::to_string(snapshot.number) + (is_peak ? " (peak)" : ""), "bytes",
                       total_cost(snapshot.tree), function_costs(snapshot.tree), snapshot.tree};
      view = static_cast<int64_t>(views.size());
      views.push_back(view_json(shown, limits, frames, strings));
      views.back()["snapshot"] = snapshot.number;
    }
    snapshots.push_back({snapshot.number, snapshot.time, snapshot.heap, snapshot.extra, snapshot.stacks,
                         static_cast<int>(snapshot.kind), view});
  }
  return {{"time_unit", file.time_unit}, {"description", file.description}, {"snapshots", snapshots}};
}

json leaks_json(const LeakLog& leaks, const PageLimits& limits, StringTable& strings) {
  std::vector<const LeakRecord*> order;
  for (const LeakRecord& record : leaks.records) order.push_back(&record);
  std::stable_sort(order.begin(), order.end(),
                   [](const LeakRecord* a, const LeakRecord* b) { return a->bytes > b->bytes; });
  json records = json::array(), sums = json::array();
  for (const LeakRecord* record : order) {
    if (records.size() >= limits.leak_records) break;
    json frames = json::array();
    for (const std::string& frame : record->frames) frames.push_back(strings.add(frame));
    records.push_back({record->kind, record->bytes, record->blocks, frames});
  }
  for (const LeakSum& sum : leaks.sums) sums.push_back({sum.kind, sum.bytes, sum.blocks});
  return {{"records", records}, {"record_count", leaks.records.size()}, {"sums", sums}};
}

// How many frames each view may have.
size_t frames_of_a_view(const ReportSession& session, const PageLimits& limits) {
  size_t views = 0;
  for (const ReportProcess& process : session.processes) {
    for (const ReportView& view : process.views) views += !view.stacks.nodes.empty();
    if (!process.memory) continue;
    for (const MassifSnapshot& snapshot : process.memory->snapshots) views += !snapshot.tree.nodes.empty();
  }
  return std::min(limits.view_frames, std::max<size_t>(limits.page_frames / std::max<size_t>(views, 1), 1'000));
}

}  // namespace

std::string render_report_page(const ReportSession& session, const PageLimits& limits) {
  json data = {{"command", session.command},     {"tool", session.tool},   {"version", session.version},
               {"directory", session.directory}, {"state", session.state}, {"started", session.started},
               {"seconds", session.seconds}};
  StringTable strings;
  json processes = json::array();
  size_t frames = frames_of_a_view(session, limits);
  for (const ReportProcess& process : session.processes) {
    json totals = json::array(), views = json::array(), memory;
    for (const auto& [event, cost] : process.totals) totals.push_back({event, cost});
    for (const ReportView& view : process.views) views.push_back(view_json(view, limits, frames, strings));
    if (process.memory) memory = memory_json(*process.memory, limits, frames, views, strings);
    processes.push_back({{"pid", process.pid},
                         {"parent", process.parent},
                         {"image", process.image},
                         {"executable", process.executable},
                         {"arguments", process.arguments},
                         {"directory", process.directory},
                         {"state", process.state},
                         {"seconds", process.seconds},
                         {"totals", totals},
                         {"views", views},
                         {"memory", memory},
                         {"leaks", leaks_json(process.leaks, limits, strings)}});
  }
  data["processes"] = std::move(processes);
  data["strings"] = strings.strings();
  data["python"] = strings.python();
  // The policy makes the promise of no network one that the browser keeps.
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>vsup report</title>\n<style>";
  page += kStyle;
  page += "</style>\n</head>\n";
  page += kBody;
  page += "<script type=\"application/json\" id=\"data\">";
  page += embedded(data);
  page += "</script>\n<script>";
  page += kScript;
  page += "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace vsup::supervisor::html
