#include "agent/tools/callgrind/tree.h"

#include "agent/base/check.h"
#include "agent/base/settings.h"
#include "agent/tools/cachesim/instrument.h"
#include "agent/tools/callgrind/event_costs.h"
#include "agent/tools/callgrind/lookup_table.h"
#include "agent/tools/callgrind/named.h"
#include "agent/tools/callgrind/tables.h"

namespace vsup::agent::callgrind {

namespace {

// The rest is kept free for calls from the root and for the plain context, where costs go when these are used up.
constexpr uint32_t kOrdinaryNodes = kMaxNodes - kMaxEdges;
constexpr uint32_t kOrdinaryCounters = 1u << 20;
constexpr uint32_t kRoot = 0;
constexpr uint32_t kPlainContext = 0;
constexpr uint32_t kContextBuckets = 64u << 10;
uint32_t context_buckets[kContextBuckets];  // index + 1 of each chain's first

NodeRecord* nodes() {
  return reinterpret_cast<NodeRecord*>(kNodesAt);
}
ContextRecord* contexts() {
  return reinterpret_cast<ContextRecord*>(kContextsAt);
}
uint64_t* callers() {
  return reinterpret_cast<uint64_t*>(kCallersAt);
}

uint64_t function_of_edge(uint32_t edge) {
  return reinterpret_cast<const EdgeRecord*>(kEdgesAt)[edge].callee_pc;
}

// The root's is the function that was instrumented first.
uint64_t function_of_node(uint32_t node) {
  return node == kRoot ? reinterpret_cast<const BlockRecord*>(kBlocksAt)->app_pc : function_of_edge(nodes()[node].edge);
}

// A handler or the first function of a thread is not; the root has no edge.
bool is_called(uint32_t node) {
  return reinterpret_cast<const EdgeRecord*>(kEdgesAt)[nodes()[node].edge].site_pc != 0;
}

uint64_t shown_function(uint32_t node) {
  return function_of_node(nodes()[node].shown);
}

bool same_context(const ContextRecord& a, const ContextRecord& b) {
  if (a.recursion != b.recursion || a.caller_count != b.caller_count || a.function != b.function || a.site != b.site ||
      a.caller != b.caller)
    return false;
  uint32_t same = 0;
  while (same < a.caller_count && callers()[a.first_caller + same] == callers()[b.first_caller + same]) ++same;
  return same == a.caller_count;
}

// The number of the context, whose callers were put behind the last one's.
uint32_t intern_context(const ContextRecord& wanted) {
  if (wanted.recursion == 1 && wanted.caller_count == 0 && wanted.function == 0 && wanted.site == 0)
    return kPlainContext;
  Header& records = header();
  constexpr uint64_t kFactor = 0x100'0000'01b3;
  uint64_t hash = (((wanted.recursion ^ wanted.function) * kFactor ^ wanted.site) * kFactor ^ wanted.caller) * kFactor;
  for (uint32_t i = 0; i < wanted.caller_count; ++i) hash = (hash ^ callers()[wanted.first_caller + i]) * kFactor;
  uint32_t& bucket = context_buckets[(hash ^ hash >> 32) % kContextBuckets];
  for (uint32_t next = bucket; next != 0; next = contexts()[next - 1].next)
    if (same_context(contexts()[next - 1], wanted)) return next - 1;
  if (records.contexts == kMaxContexts) return kPlainContext;
  auto index = static_cast<uint32_t>(records.contexts);
  contexts()[index] = wanted;
  contexts()[index].next = bucket;
  bucket = index + 1;
  records.callers += wanted.caller_count;
  records.contexts = index + 1;
  return index;
}

// Level of a node's function: how many calls to it are open, those of skipped functions left out.
uint32_t recursion_level(uint32_t node, uint64_t levels) {
  const bool skips_direct = vsup_settings.tool_options[kOptionSkipDirectRec] != 0;
  const uint64_t function = shown_function(node);
  uint32_t level = 0;
  for (; level < levels; node = nodes()[node].parent) {
    const NodeRecord& at = nodes()[node];
    const bool is_call = node == kRoot || contexts()[at.context].site == 0;
    const bool direct = skips_direct && node != kRoot && shown_function(at.parent) == function;
    if (is_call && !direct && shown_function(node) == function) ++level;
    if (node == kRoot) break;
  }
  return level != 0 ? level : 1;
}

// Of a node that has everything else.
uint32_t context_of(uint32_t node, uint64_t function) {
  const uint32_t shown = nodes()[node].shown;
  const uint64_t shows = function_of_node(shown);
  const FunctionRecord* named = named_function(shows);
  const bool own_callers = named != nullptr && named->separate_callers != kAsAll;
  const bool own_levels = named != nullptr && named->separate_recs != kAsAll;
  const uint64_t wanted = own_callers ? named->separate_callers : vsup_settings.tool_options[kOptionSeparateCallers];
  const uint64_t levels = own_levels ? named->separate_recs : vsup_settings.tool_options[kOptionSeparateRecs];
  ContextRecord context{};
  context.recursion = levels > 1 ? recursion_level(node, levels) : 1;
  context.first_caller = static_cast<uint32_t>(header().callers);
  context.function = shows != function ? shows : 0;
  for (uint32_t at = shown; at != kRoot && is_called(at) && context.caller_count < wanted;) {
    at = nodes()[nodes()[at].parent].shown;
    if (context.first_caller + context.caller_count == kMaxCallers) break;
    callers()[context.first_caller + context.caller_count++] = function_of_node(at);
  }
  return intern_context(context);
}

// As whose function the node counts.
uint32_t shown_node(uint32_t node, uint32_t parent, uint64_t function) {
  const uint32_t before = nodes()[parent].shown;
  const uint64_t caller = function_of_node(before);
  if (function == caller) return before;
  const FunctionRecord *ours = named_function(function), *theirs = named_function(caller);
  const bool grouped = ours != nullptr && theirs != nullptr && ours->group != 0 && ours->group == theirs->group;
  return grouped ? before : node;
}

// Fills the node's record; `edge` is how `parent` calls it.
void make_node(uint32_t node, uint32_t parent, uint32_t edge) {
  const auto& call = reinterpret_cast<const EdgeRecord*>(kEdgesAt)[edge];
  NodeRecord& made = nodes()[node];
  made = {parent, edge, kPlainContext, node};
  if (!has_contexts()) return;
  const FunctionRecord* named = named_function(call.callee_pc);
  if (named == nullptr || (named->flags & kFunctionSkipped) == 0 || call.site_pc == 0) {
    made.shown = shown_node(node, parent, call.callee_pc);
    made.context = context_of(node, call.callee_pc);
    return;
  }
  const uint32_t before = nodes()[parent].context;
  made.shown = nodes()[parent].shown;
  made.context = before;
  if (contexts()[before].site == 0) {
    ContextRecord skipped{};
    skipped.recursion = 1;
    skipped.first_caller = static_cast<uint32_t>(header().callers);
    skipped.site = call.site_pc;
    skipped.caller = before;
    made.context = intern_context(skipped);
  }
}

}  // namespace

bool has_tree() {
  return vsup_settings.tool_options[kOptionTree] != 0;
}

bool has_contexts() {
  return vsup_settings.tool_options[kOptionContexts] != 0 || vsup_settings.tool_options[kOptionSeparateCallers] != 0 ||
         vsup_settings.tool_options[kOptionSeparateRecs] > 1;
}

void start_tree() {
  header().nodes = 1;
  header().contexts = 1;
  contexts()[kPlainContext] = {};
  contexts()[kPlainContext].recursion = 1;
  nodes()[kRoot] = {};
}

uint64_t add_node(Frame& caller, uint32_t edge) {
  Header& records = header();
  LookupTable table(kNodeLookupAt);
  LookupEntry* entry = table.find(caller.cost, edge);
  bool full = records.nodes >= (caller.cost == kRoot ? kMaxNodes : kOrdinaryNodes);
  if (entry == nullptr || (entry->key == 0 && full)) {
    VS_CHECK(caller.cost != kRoot, records.nodes, edge);
    caller.cost = kRoot;
    caller.context = kPlainContext;
    return add_node(caller, edge);
  }
  if (entry->key != 0) return entry->value;
  auto node = static_cast<uint32_t>(records.nodes);
  make_node(node, caller.cost, edge);
  const uint32_t context = nodes()[node].context;
  records.nodes = node + 1;
  LookupTable::fill(entry, caller.cost, edge, node | uint64_t{context} << 32);
  return entry->value;
}

void add_counter(Frame& running, uint32_t block) {
  Header& records = header();
  LookupTable table(kCounterLookupAt);
  LookupEntry* entry = table.find(running.context, block);
  bool full = records.counters >= (running.context == kPlainContext ? kMaxBlocks : kOrdinaryCounters);
  if (entry == nullptr || (entry->key == 0 && full)) {
    if (running.context != kPlainContext) {
      running.context = kPlainContext;
      add_counter(running, block);
      return;
    }
    VS_CHECK(entry != nullptr, records.counters, block);
    ++records.lost_blocks;
    LookupTable::fill(entry, kPlainContext, block, kMaxBlocks - 1);
    return;
  }
  if (entry->key != 0) return;
  auto counter = static_cast<uint32_t>(records.counters);
  reinterpret_cast<CounterRecord*>(kCountersAt)[counter] = {block, running.context};
  if (has_event_costs() && running.context != kPlainContext) {
    const BlockRecord& shape = reinterpret_cast<const BlockRecord*>(kBlocksAt)[block];
    reinterpret_cast<uint32_t*>(kMovedAt)[counter] = cachesim::add_context(shape.lengths, shape.count);
  }
  records.counters = counter + 1;
  LookupTable::fill(entry, running.context, block, counter);
}

}  // namespace vsup::agent::callgrind
