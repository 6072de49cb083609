#include "supervisor/reports/callgrind/collapsed_writer.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "supervisor/reports/callgrind/text.h"

namespace vsup::supervisor::callgrind {
namespace {

// Children come after their parents.
void add_inclusive(NamedStacks& result) {
  for (size_t i = result.nodes.size(); i > 0; i--) {
    NamedStacks::Node& node = result.nodes[i - 1];
    node.inclusive += node.self;
    if (node.parent != StackNode::kRoot) result.nodes[node.parent].inclusive += node.inclusive;
  }
}

constexpr size_t kNumberBytes = 22;  // blank, digits, line break

// Own costs, after those of nodes for which there is no room have gone to the nodes above them.
std::vector<uint64_t> fitting_costs(const NamedStacks& stacks, size_t max_bytes) {
  std::vector<uint64_t> self;
  std::vector<size_t> line_bytes;
  size_t total_bytes = 0;
  for (const auto& node : stacks.nodes) {
    size_t above = node.parent == StackNode::kRoot ? kNumberBytes : line_bytes[node.parent] + 1;
    line_bytes.push_back(above + stacks.names[node.name].size());
    self.push_back(node.self);
    if (node.self != 0) total_bytes += line_bytes.back();
  }
  if (total_bytes <= max_bytes) return self;
  std::vector<uint32_t> widest_first(self.size());
  for (uint32_t i = 0; i < widest_first.size(); i++) widest_first[i] = i;
  std::stable_sort(widest_first.begin(), widest_first.end(),
                   [&](uint32_t a, uint32_t b) { return stacks.nodes[a].inclusive > stacks.nodes[b].inclusive; });
  std::vector<bool> kept(self.size());
  total_bytes = 0;
  for (uint32_t node : widest_first) {
    total_bytes += line_bytes[node];
    if (total_bytes > max_bytes) break;
    kept[node] = true;
  }
  for (size_t i = self.size(); i > 0; i--) {
    uint32_t parent = stacks.nodes[i - 1].parent;
    if (kept[i - 1] || parent == StackNode::kRoot) continue;
    self[parent] += self[i - 1];
    self[i - 1] = 0;
  }
  return self;
}

}  // namespace

NamedStacks name_stacks(const Profile& profile, ModuleCodeCache& cache) {
  std::vector<uint64_t> functions;
  for (const StackNode& node : profile.stacks) functions.push_back(node.function);
  std::sort(functions.begin(), functions.end());
  functions.erase(std::unique(functions.begin(), functions.end()), functions.end());
  CodeMap map(profile.modules, cache, profile.process.pid, functions);

  NamedStacks result;
  std::unordered_map<std::string, uint32_t> name_ids;
  std::unordered_map<uint64_t, uint32_t> name_of;  // by address
  for (uint64_t address : functions) {
    const auto& function = map.functions()[map.function_at(address)];
    auto [id, is_new] = name_ids.try_emplace(function.name, static_cast<uint32_t>(result.names.size()));
    if (is_new) result.names.push_back(function.name);
    name_of[address] = id->second;
  }

  std::vector<uint32_t> merged(profile.stacks.size(), StackNode::kRoot);
  std::unordered_map<uint64_t, uint32_t> children;  // (merged parent, name) -> node
  for (size_t i = 0; i < profile.stacks.size(); i++) {
    const StackNode& node = profile.stacks[i];
    uint32_t parent = node.parent < i ? merged[node.parent] : StackNode::kRoot;
    uint32_t name = name_of[node.function];
    uint64_t key = uint64_t{parent} << 32 | name;
    auto [child, is_new] = children.try_emplace(key, static_cast<uint32_t>(result.nodes.size()));
    if (is_new) result.nodes.push_back({parent, name, 0, 0});
    merged[i] = child->second;
    result.nodes[child->second].self += node.self_cost;
  }
  add_inclusive(result);
  return result;
}

std::string write_collapsed(const NamedStacks& stacks, size_t max_bytes) {
  std::vector<uint64_t> costs = fitting_costs(stacks, max_bytes);
  std::vector<std::string> safe_names = stacks.names;
  for (std::string& name : safe_names) {
    for (char& c : name) {
      if (c == ';') c = ':';
      if (static_cast<unsigned char>(c) < 0x20) c = '?';
    }
  }
  // Depth first, by name; a path is built once for all its children.
  std::vector<std::vector<uint32_t>> children(stacks.nodes.size());
  std::vector<uint32_t> roots;
  for (uint32_t i = 0; i < stacks.nodes.size(); i++) {
    uint32_t parent = stacks.nodes[i].parent;
    (parent == StackNode::kRoot ? roots : children[parent]).push_back(i);
  }
  auto by_name = [&](uint32_t a, uint32_t b) {
    return safe_names[stacks.nodes[a].name] > safe_names[stacks.nodes[b].name];  // the last one is visited first
  };
  struct Open {
    uint32_t node;
    size_t path_size;  // of the parent
  };
  std::vector<Open> open;
  auto push = [&](std::vector<uint32_t>& nodes, size_t path_size) {
    std::sort(nodes.begin(), nodes.end(), by_name);
    for (uint32_t node : nodes) open.push_back({node, path_size});
  };
  Text text;
  std::string path;
  push(roots, 0);
  while (!open.empty()) {
    Open next = open.back();
    open.pop_back();
    path.resize(next.path_size);
    if (!path.empty()) path += ';';
    path += safe_names[stacks.nodes[next.node].name];
    uint64_t self = costs[next.node];
    if (self != 0) text.add(path).add(' ').number(self).add('\n');
    push(children[next.node], path.size());
  }
  return text.take();
}

void StacksBuilder::add(const std::vector<std::string>& path, uint64_t cost) {
  uint32_t node = StackNode::kRoot;
  for (const std::string& name : path) {
    auto [id, is_new_name] = name_ids_.try_emplace(name, static_cast<uint32_t>(stacks_.names.size()));
    if (is_new_name) stacks_.names.push_back(name);
    uint64_t key = uint64_t{node} << 32 | id->second;
    auto [child, is_new] = children_.try_emplace(key, static_cast<uint32_t>(stacks_.nodes.size()));
    if (is_new) stacks_.nodes.push_back({node, id->second, 0, 0});
    node = child->second;
  }
  if (node != StackNode::kRoot) stacks_.nodes[node].self += cost;
}

NamedStacks StacksBuilder::take() {
  add_inclusive(stacks_);
  return std::move(stacks_);
}

NamedStacks read_collapsed(std::string_view text) {
  StacksBuilder builder;
  std::vector<std::string> path;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    size_t space = line.rfind(' ');
    uint64_t cost = 0;
    if (space == std::string_view::npos || space == 0) continue;
    auto number = line.substr(space + 1);
    if (std::from_chars(number.data(), number.data() + number.size(), cost).ec != std::errc()) continue;
    line = line.substr(0, space);
    path.clear();
    for (bool more = true; more;) {
      size_t semicolon = line.find(';');
      more = semicolon != std::string_view::npos;
      path.emplace_back(line.substr(0, semicolon));
      if (more) line.remove_prefix(semicolon + 1);
    }
    builder.add(path, cost);
  }
  return builder.take();
}

}  // namespace vsup::supervisor::callgrind
