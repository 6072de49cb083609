#include "supervisor/reports/html/function_costs.h"

#include <algorithm>
#include <unordered_map>

namespace vsup::supervisor::html {
namespace {

using callgrind::NamedStacks;
using callgrind::StackNode;

// A frame is compared with at most so many above it: stacks can be as deep as their file is long.
constexpr unsigned kMaxRecursionSteps = 4096;

// Whether no frame above node `index` has the same `of` as it.
template <typename Of>
bool is_outermost(const NamedStacks& stacks, uint32_t index, Of of) {
  auto wanted = of(stacks.nodes[index].name);
  unsigned steps = 0;
  for (uint32_t up = stacks.nodes[index].parent; up != StackNode::kRoot && steps < kMaxRecursionSteps; steps++) {
    if (of(stacks.nodes[up].name) == wanted) return false;
    up = stacks.nodes[up].parent;
  }
  return true;
}

}  // namespace

uint64_t total_cost(const NamedStacks& stacks) {
  uint64_t total = 0;
  for (const auto& node : stacks.nodes) {
    if (node.parent == StackNode::kRoot) total += node.inclusive;
  }
  return total;
}

FrameName split_frame_name(std::string_view name) {
  FrameName result{name, {}, {}, {}};
  size_t open = name.rfind(" (");
  if (!name.ends_with(')') || open == std::string_view::npos || open == 0) return result;
  std::string_view place = name.substr(open + 2, name.size() - open - 3);
  if (place.starts_with("in ")) {
    result.object = place.substr(3);
  } else {
    size_t colon = place.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == place.size()) return result;
    if (place.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) return result;
    result.file = place.substr(0, colon);
    result.line = place.substr(colon + 1);
  }
  result.function = name.substr(0, open);
  return result;
}

bool is_python_frame(std::string_view name) {
  std::string_view file = split_frame_name(name).file;
  if (file.starts_with('<') && file.ends_with('>')) return true;
  return file.ends_with(".py") || file.ends_with(".pyx") || file.ends_with(".pxd") || file.ends_with(".pxi");
}

std::vector<ReportFunction> function_costs(const callgrind::Grouped& profile, const NamedStacks& stacks, size_t event) {
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
    if (event < part.totals.size()) total += part.totals[event];
    for (const auto& row : part.rows) {
      uint64_t cost = part.costs[row.cost + event];
      result[index_of[row.function]].self += cost;
      result[index_of[row.function]].inclusive += cost;
    }
    for (const auto& call : part.calls) {
      result[index_of[call.callee]].calls += call.count;
      if (index_of[call.callee] != index_of[call.function]) {
        result[index_of[call.function]].inclusive += part.costs[call.cost + event];
      }
    }
  }
  for (auto& function : result) function.inclusive = std::max(function.self, std::min(function.inclusive, total));
  if (stacks.nodes.empty()) return result;

  // Exact: the cost of a node counts for each name above it once.
  std::vector<uint64_t> by_name(stacks.names.size());
  for (uint32_t i = 0; i < stacks.nodes.size(); i++) {
    bool outermost = is_outermost(stacks, i, [](uint32_t name) { return name; });
    if (outermost) by_name[stacks.nodes[i].name] += stacks.nodes[i].inclusive;
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

std::vector<ReportFunction> function_costs(const NamedStacks& stacks) {
  std::vector<ReportFunction> result;
  std::unordered_map<std::string, uint32_t> ids;
  std::vector<uint32_t> function_of;  // by name
  for (const std::string& name : stacks.names) {
    FrameName pieces = split_frame_name(name);
    std::string key(pieces.function);
    key.append("\n").append(pieces.file).append("\n").append(pieces.object);
    auto [id, is_new] = ids.try_emplace(key, static_cast<uint32_t>(result.size()));
    if (is_new) {
      result.push_back({std::string(pieces.function), std::string(pieces.file), std::string(pieces.object), 0, 0, 0});
    }
    function_of.push_back(id->second);
  }
  for (uint32_t i = 0; i < stacks.nodes.size(); i++) {
    ReportFunction& function = result[function_of[stacks.nodes[i].name]];
    function.self += stacks.nodes[i].self;
    bool outermost = is_outermost(stacks, i, [&](uint32_t name) { return function_of[name]; });
    if (outermost) function.inclusive += stacks.nodes[i].inclusive;
  }
  return result;
}

}  // namespace vsup::supervisor::html
