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

json functions_json(const ReportProcess& process, const PageLimits& limits) {
  std::vector<size_t> order(process.functions.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  std::vector<bool> chosen(order.size());
  auto choose = [&](auto key) {
    size_t count = std::min(limits.functions, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                      [&](size_t a, size_t b) { return key(process.functions[a]) > key(process.functions[b]); });
    for (size_t i = 0; i < count; i++) chosen[order[i]] = true;
  };
  choose([](const ReportFunction& function) { return function.self; });
  choose([](const ReportFunction& function) { return function.inclusive; });
  json rows = json::array();
  for (size_t i = 0; i < chosen.size(); i++) {
    const ReportFunction& function = process.functions[i];
    if (!chosen[i]) continue;
    rows.push_back({function.name, function.file, function.object, function.self, function.inclusive, function.calls});
  }
  return rows;
}

// The tree as three arrays (parent, name, inclusive cost), parents first, without frames too narrow to be drawn.
json stacks_json(const NamedStacks& stacks, const PageLimits& limits) {
  uint64_t total = 0;
  for (const auto& node : stacks.nodes) {
    if (node.parent == StackNode::kRoot) total += node.inclusive;
  }
  auto smallest = static_cast<uint64_t>(static_cast<double>(total) * limits.smallest_frame);
  json names = json::array(), parents = json::array(), name_of = json::array(), inclusive = json::array();
  std::vector<int64_t> kept(stacks.nodes.size(), -1);
  std::unordered_map<uint32_t, size_t> ids;
  for (size_t i = 0; i < stacks.nodes.size(); i++) {
    const auto& node = stacks.nodes[i];
    if (node.inclusive <= smallest || node.inclusive == 0) continue;
    int64_t parent = node.parent == StackNode::kRoot ? -1 : kept[node.parent];
    auto [id, is_new] = ids.try_emplace(node.name, names.size());
    if (is_new) names.push_back(stacks.names[node.name]);
    kept[i] = static_cast<int64_t>(parents.size());
    parents.push_back(parent);
    name_of.push_back(id->second);
    inclusive.push_back(node.inclusive);
  }
  size_t left_out = stacks.nodes.size() - parents.size();
  return {{"names", names},    {"parent", parents}, {"name", name_of},
          {"cost", inclusive}, {"total", total},    {"left_out", left_out}};
}

}  // namespace

std::vector<ReportFunction> function_costs(const callgrind::Grouped& profile, const NamedStacks& stacks) {
  // By name, file and object: contexts of one function are one function here.
  std::unordered_map<std::string, size_t> ids;
  std::vector<ReportFunction> result;
  std::vector<size_t> index_of(profile.functions.size());
  for (size_t i = 0; i < profile.functions.size(); i++) {
    const auto& function = profile.functions[i];
    std::string key = function.plain + "\n" + std::to_string(function.file) + "\n" + std::to_string(function.object);
    auto [id, is_new] = ids.try_emplace(key, result.size());
    if (is_new) {
      result.push_back({function.plain, profile.files[function.file], profile.objects[function.object], 0, 0, 0});
    }
    index_of[i] = id->second;
  }
  uint64_t total = 0;
  for (const auto& part : profile.parts) {
    if (!part.totals.empty()) total += part.totals[0];
    for (const auto& row : part.rows) {
      uint64_t cost = part.costs[row.cost];
      result[index_of[row.function]].self += cost;
      result[index_of[row.function]].inclusive += cost;
    }
    for (const auto& call : part.calls) {
      result[index_of[call.callee]].calls += call.count;
      if (index_of[call.callee] != index_of[call.function]) {
        result[index_of[call.function]].inclusive += part.costs[call.cost];
      }
    }
  }
  for (auto& function : result) function.inclusive = std::max(function.self, std::min(function.inclusive, total));
  if (stacks.nodes.empty()) return result;

  // Exact: the cost of a node counts for each name above it once.
  std::vector<uint64_t> by_name(stacks.names.size());
  for (uint32_t i = 0; i < stacks.nodes.size(); i++) {
    uint32_t name = stacks.nodes[i].name;
    bool outermost = true;
    unsigned steps = 0;
    for (uint32_t up = stacks.nodes[i].parent; up != StackNode::kRoot && outermost && steps < 4096; steps++) {
      outermost = stacks.nodes[up].name != name;
      up = stacks.nodes[up].parent;
    }
    if (outermost) by_name[name] += stacks.nodes[i].inclusive;
  }
  std::unordered_map<std::string, uint64_t> exact;
  for (size_t i = 0; i < by_name.size(); i++) exact[stacks.names[i]] = by_name[i];
  std::unordered_map<std::string, unsigned> uses;
  for (const auto& function : result) uses[function.name]++;
  for (auto& function : result) {
    auto found = exact.find(function.name);
    if (found != exact.end() && uses[function.name] == 1) function.inclusive = std::max(function.self, found->second);
  }
  return result;
}

std::string render_report_page(const ReportSession& session, const PageLimits& limits) {
  json data = {{"command", session.command},     {"tool", session.tool},   {"version", session.version},
               {"directory", session.directory}, {"state", session.state}, {"started", session.started},
               {"seconds", session.seconds}};
  json processes = json::array();
  for (const ReportProcess& process : session.processes) {
    json totals = json::array();
    for (const auto& [event, cost] : process.totals) totals.push_back({event, cost});
    processes.push_back({{"pid", process.pid},
                         {"parent", process.parent},
                         {"image", process.image},
                         {"executable", process.executable},
                         {"arguments", process.arguments},
                         {"directory", process.directory},
                         {"state", process.state},
                         {"seconds", process.seconds},
                         {"totals", totals},
                         {"functions", functions_json(process, limits)},
                         {"function_count", process.functions.size()},
                         {"stacks", stacks_json(process.stacks, limits)}});
  }
  data["processes"] = std::move(processes);
  // The policy makes the promise of no network one that the browser keeps.
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>vsup report</title>\n<style>";
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
