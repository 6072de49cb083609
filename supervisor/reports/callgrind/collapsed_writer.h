// Purpose: true stacks, from the calling-context tree: "main;f;g 123" a line, for flamegraph.pl, speedscope and others.
// Promises: the numbers sum to the tree's self costs; stacks of the same names are one line; no name holds a semicolon
// or a line break; sorted.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "supervisor/reports/callgrind/code_map.h"
#include "supervisor/reports/callgrind/profile.h"

namespace vsup::supervisor::callgrind {

// The tree with names: nodes of one parent and one name are one node. A parent comes before its children.
struct NamedStacks {
  struct Node {
    uint32_t parent = StackNode::kRoot;
    uint32_t name = 0;  // in names
    uint64_t self = 0, inclusive = 0;
  };
  std::vector<Node> nodes;
  std::vector<std::string> names;
};

// Makes a tree of stacks that come one by one.
class StacksBuilder {
 public:
  // Outermost frame first. Stacks of the same names add up.
  void add(const std::vector<std::string>& path, uint64_t cost);
  NamedStacks take();

 private:
  NamedStacks stacks_;
  std::unordered_map<std::string, uint32_t> name_ids_;
  std::unordered_map<uint64_t, uint32_t> children_;  // (parent, name) -> node
};

NamedStacks name_stacks(const Profile& profile, ModuleCodeCache& cache);

// Paths are long where recursion is deep: a start of Sage would be gigabytes. When the text would be larger than so
// much, the costs of the narrowest nodes are told with the nodes above them.
inline constexpr size_t kMaxCollapsedBytes = size_t{256} << 20;
std::string write_collapsed(const NamedStacks& stacks, size_t max_bytes = kMaxCollapsedBytes);

// What write_collapsed wrote, and what other programs write in that form. Lines that make no sense are skipped.
NamedStacks read_collapsed(std::string_view text);

}  // namespace vsup::supervisor::callgrind
