#include "agent/tools/callgrind/tree.h"

#include "agent/base/check.h"
#include "agent/engine/code_cache.h"
#include "agent/tools/callgrind/lookup_table.h"
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

// The context with this recursion level and the callers that were put behind the last context's.
uint32_t intern_context(uint32_t recursion, uint32_t count) {
  if (recursion == 1 && count == 0) return kPlainContext;
  Header& records = header();
  const uint64_t* wanted = callers() + records.callers;
  uint64_t hash = recursion;
  for (uint32_t i = 0; i < count; ++i) hash = (hash ^ wanted[i]) * 0x100'0000'01b3;
  uint32_t& bucket = context_buckets[(hash ^ hash >> 32) % kContextBuckets];
  for (uint32_t next = bucket; next != 0; next = contexts()[next - 1].next) {
    const ContextRecord& known = contexts()[next - 1];
    if (known.recursion != recursion || known.caller_count != count) continue;
    uint32_t same = 0;
    while (same < count && callers()[known.first_caller + same] == wanted[same]) ++same;
    if (same == count) return next - 1;
  }
  if (records.contexts == kMaxContexts) return kPlainContext;
  auto index = static_cast<uint32_t>(records.contexts);
  contexts()[index] = {recursion, static_cast<uint32_t>(records.callers), count, bucket};
  bucket = index + 1;
  records.callers += count;
  records.contexts = index + 1;
  return index;
}

// Of the function that `edge` calls from `parent`.
uint32_t context_of(uint32_t parent, uint32_t edge) {
  uint64_t function = function_of_edge(edge);
  uint64_t wanted_callers = vsup_settings.tool_options[kOptionSeparateCallers];
  uint64_t levels = vsup_settings.tool_options[kOptionSeparateRecs];
  uint32_t recursion = 1, count = 0;
  const uint64_t used = header().callers;
  uint64_t last = function;  // a function that calls itself is one of the callers
  for (uint32_t node = parent;; node = nodes()[node].parent) {
    uint64_t caller = function_of_node(node);
    if (caller != last && count < wanted_callers && used + count < kMaxCallers) callers()[used + count++] = caller;
    last = caller;
    if (recursion < levels && caller == function) ++recursion;
    if (node == kRoot || (count >= wanted_callers && recursion >= levels)) break;
  }
  return intern_context(recursion, count);
}

}  // namespace

bool has_tree() {
  return vsup_settings.tool_options[kOptionTree] != 0;
}

bool has_contexts() {
  return vsup_settings.tool_options[kOptionSeparateCallers] != 0 || vsup_settings.tool_options[kOptionSeparateRecs] > 1;
}

void start_tree() {
  header().nodes = 1;
  header().contexts = 1;
  contexts()[kPlainContext] = {1, 0, 0, 0};
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
  uint32_t context = context_of(caller.cost, edge);
  nodes()[node] = {caller.cost, edge, context, 0};
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
  records.counters = counter + 1;
  LookupTable::fill(entry, running.context, block, counter);
}

}  // namespace vsup::agent::callgrind
