#include "supervisor/reports/callgrind/group.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace vsup::supervisor::callgrind {
namespace {

auto place(const Position& at) {
  return std::tuple(at.address, at.file, at.line);
}

// Rows of each function together, in order of position. Most rows come in order already.
template <typename Row, typename Less>
void sort_rows(std::vector<Row>& rows, size_t function_count, Less less) {
  std::vector<uint32_t> starts(function_count + 1);
  for (const Row& row : rows) starts[row.function + 1]++;
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
  std::vector<Row> sorted(rows.size());
  for (const Row& row : rows) sorted[next[row.function]++] = row;
  for (size_t i = 0; i < function_count; i++) {
    auto first = sorted.begin() + starts[i], last = sorted.begin() + starts[i + 1];
    if (!std::is_sorted(first, last, less)) std::stable_sort(first, last, less);
  }
  rows = std::move(sorted);
}

// Neighbours that `same` calls equal become one; `add` adds the second to the first.
template <typename Row, typename Same, typename Add>
void merge_rows(std::vector<Row>& rows, Same same, Add add) {
  size_t kept = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    if (kept != 0 && same(rows[kept - 1], rows[i])) {
      add(rows[kept - 1], rows[i]);
    } else {
      rows[kept++] = rows[i];
    }
  }
  rows.resize(kept);
}

class Grouper {
 public:
  Grouper(const Profile& profile, const GroupOptions& options, ModuleCodeCache& cache)
      : profile_(profile),
        options_(options),
        event_count_(profile.events.size()),
        map_(profile.modules, cache, profile.process.pid, called_addresses(profile)) {}

  Grouped run() {
    rank_shapes();
    if (options_.separate_threads) {
      for (const ThreadProfile& thread : profile_.threads) {
        GroupedPart& part = add_part(thread.number);
        add(thread, part);
        finish(part);
      }
    } else {
      GroupedPart& part = add_part(0);
      for (const ThreadProfile& thread : profile_.threads) add(thread, part);
      finish(part);
    }
    result_.process = profile_.process;
    result_.events = profile_.events;
    result_.objects = map_.objects();
    result_.files = map_.files();
    return std::move(result_);
  }

 private:
  static std::vector<uint64_t> called_addresses(const Profile& profile) {
    std::vector<uint64_t> result;
    for (const ThreadProfile& thread : profile.threads) {
      for (const CallEdge& call : thread.calls) result.push_back(call.callee);
    }
    for (const StackNode& node : profile.stacks) result.push_back(node.function);
    for (const Context& context : profile.contexts)
      if (context.function != 0) result.push_back(context.function);
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
  }

  GroupedPart& add_part(uint32_t thread) {
    result_.parts.emplace_back();
    result_.parts.back().thread = thread;
    result_.parts.back().totals.assign(event_count_, 0);
    return result_.parts.back();
  }

  // Shapes in the order of their addresses, so that symbols and lines are walked once.
  void rank_shapes() {
    std::vector<uint32_t> order(profile_.shapes.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return profile_.shapes[a].pc < profile_.shapes[b].pc; });
    rank_.resize(order.size());
    for (uint32_t i = 0; i < order.size(); i++) rank_[order[i]] = i;
  }

  uint32_t function_of(uint64_t pc, uint32_t context) {
    const bool given = context < profile_.contexts.size() && profile_.contexts[context].function != 0;
    uint32_t base = map_.function_at(given ? profile_.contexts[context].function : pc);
    if (plain_.size() <= base) plain_.resize(map_.functions().size(), kNotYet);
    if (context == 0 || context >= profile_.contexts.size()) {
      if (plain_[base] == kNotYet) plain_[base] = add_function(base, Context{});
      return plain_[base];
    }
    uint64_t key = uint64_t{base} << 32 | context;
    auto [known, is_new] = in_context_.try_emplace(key, 0);
    if (is_new) known->second = add_function(base, profile_.contexts[context]);
    return known->second;
  }

  uint32_t add_function(uint32_t base, const Context& context) {
    const CodeMap::Function& function = map_.functions()[base];
    GroupedFunction added{function.object, function.file, function.line, function.address,
                          function.name,   function.name, function.named};
    if (context.recursion > 1) added.name += "'" + std::to_string(context.recursion);
    for (uint32_t i = 0; i < context.caller_count; i++) {
      uint64_t caller = profile_.callers.at(context.first_caller + i);
      added.name += "'" + map_.functions()[map_.function_at(caller)].name;
    }
    // Two contexts that the profile tells apart may have one name (say, callers in one function); one function then.
    std::string key = std::to_string(base) + "|" + added.name;
    auto [known, is_new] = by_name_.try_emplace(key, static_cast<uint32_t>(result_.functions.size()));
    if (is_new) result_.functions.push_back(std::move(added));
    return known->second;
  }

  Position position(uint64_t pc) {
    Position at;
    if (options_.by_instruction) at.address = map_.link_time(pc);
    if (options_.by_line) {
      SourceLine line = map_.line_at(pc);
      at.file = line.file;
      at.line = line.line;
    }
    return at;
  }

  // Of a row: what lies in no known file counts as in the function's own.
  Position position_in(uint32_t function, uint64_t pc) {
    Position at = position(pc);
    if (at.file == 0) at.file = result_.functions[function].file;
    return at;
  }

  uint64_t new_cost(GroupedPart& part) {
    part.costs.resize(part.costs.size() + event_count_);
    return part.costs.size() - event_count_;
  }

  // Indices by the rank of their shape.
  std::vector<uint32_t> in_order(const std::vector<BlockCount>& blocks) const {
    std::vector<uint32_t> next(rank_.size() + 1);
    for (const BlockCount& block : blocks) ++next[rank_[block.shape] + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<uint32_t> order(blocks.size());
    for (uint32_t i = 0; i < blocks.size(); i++) order[next[rank_[blocks[i].shape]]++] = i;
    return order;
  }

  bool is_simulated(const BlockCount& block) const {
    return block.first_simulated != BlockCount::kNotSimulated && event_count_ > 1;
  }
  bool is_executed(const BlockCount& block) const {
    return (block.count != 0 || is_simulated(block)) && profile_.shapes[block.shape].instruction_count != 0;
  }

  void add(const ThreadProfile& thread, GroupedPart& part) {
    size_t instructions = 0;
    for (const BlockCount& block : thread.blocks)
      if (is_executed(block)) instructions += profile_.shapes[block.shape].instruction_count;
    const size_t rows = options_.by_instruction ? instructions : instructions / 2;  // a line mostly has a few
    part.rows.reserve(part.rows.size() + rows);
    part.costs.reserve(part.costs.size() + (rows + thread.calls.size()) * event_count_);
    part.calls.reserve(part.calls.size() + thread.calls.size());
    for (uint32_t index : in_order(thread.blocks)) add_block(thread, thread.blocks[index], part);

    for (const ExtraCost& extra : thread.extra) {
      if (extra.event >= event_count_) continue;
      uint32_t function = function_of(extra.pc, extra.context);
      uint64_t cost = new_cost(part);
      part.costs[cost + extra.event] = static_cast<uint64_t>(extra.value);
      part.rows.push_back({function, position_in(function, extra.pc), cost});
    }
    for (const CallEdge& call : thread.calls) {
      CallRow row;
      row.function = function_of(call.site, call.context);
      row.callee = function_of(call.callee, call.callee_context);
      row.at = position_in(row.function, call.site);
      Position to = position(call.callee);
      row.callee_address = to.address;
      row.callee_line = to.line;
      row.count = call.count;
      row.cost = new_cost(part);
      for (size_t i = 0; i < event_count_; i++) part.costs[row.cost + i] = thread.inclusive[call.first_cost + i];
      part.calls.push_back(row);
    }
    for (const JumpEdge& jump : thread.jumps) {
      JumpRow row;
      row.function = function_of(jump.from, jump.context);
      row.target_function = function_of(jump.to, jump.context);
      row.at = position_in(row.function, jump.from);
      row.target = position_in(row.target_function, jump.to);
      row.conditional = jump.conditional;
      row.executed = jump.executed;
      row.followed = jump.followed;
      part.jumps.push_back(row);
    }
  }

  void add_block(const ThreadProfile& thread, const BlockCount& block, GroupedPart& part) {
    const BlockShape& shape = profile_.shapes[block.shape];
    if (!is_executed(block)) return;
    uint32_t function = function_of(shape.pc, block.context);
    bool one_row = !options_.by_instruction && !(options_.by_line && map_.has_lines(shape.pc));
    const uint8_t* lengths = profile_.lengths.data() + shape.first_length;
    uint64_t pc = shape.pc;
    const uint64_t* events = is_simulated(block) ? thread.simulated.data() + block.first_simulated : nullptr;
    CostRow* row = nullptr;
    for (uint32_t i = 0; i < shape.instruction_count; i++) {
      Position at;
      if (row && one_row) {
        at = row->at;
      } else {
        at = position_in(function, pc);
      }
      if (!row || place(row->at) != place(at)) {
        part.rows.push_back({function, at, new_cost(part)});
        row = &part.rows.back();
      }
      uint64_t* costs = part.costs.data() + row->cost;
      costs[0] += block.count;
      if (events) {
        for (size_t event = 1; event < event_count_; event++) costs[event] += *events++;
      }
      pc += lengths[i];
    }
  }

  void finish(GroupedPart& part) {
    size_t count = result_.functions.size();
    auto before = [](const auto& a, const auto& b) { return place(a.at) < place(b.at); };
    auto add_costs = [&](uint64_t to, uint64_t from) {
      for (size_t i = 0; i < event_count_; i++) part.costs[to + i] += part.costs[from + i];
    };
    sort_rows(part.rows, count, before);
    merge_rows(
        part.rows,
        [](const CostRow& a, const CostRow& b) { return a.function == b.function && place(a.at) == place(b.at); },
        [&](CostRow& a, const CostRow& b) { add_costs(a.cost, b.cost); });
    // A block counted in one part of a profile and cut short in the next one takes back more than this has.
    for (const CostRow& row : part.rows)
      for (size_t i = 0; i < event_count_; i++)
        if (static_cast<int64_t>(part.costs[row.cost + i]) < 0) part.costs[row.cost + i] = 0;
    std::erase_if(part.rows, [&](const CostRow& row) {
      return std::all_of(part.costs.begin() + static_cast<ptrdiff_t>(row.cost),
                         part.costs.begin() + static_cast<ptrdiff_t>(row.cost + event_count_),
                         [](uint64_t cost) { return cost == 0; });
    });
    for (const CostRow& row : part.rows) {
      for (size_t i = 0; i < event_count_; i++) part.totals[i] += part.costs[row.cost + i];
    }

    auto call_key = [](const CallRow& row) {
      return std::tuple(place(row.at), row.callee, row.callee_address, row.callee_line);
    };
    sort_rows(part.calls, count, [&](const CallRow& a, const CallRow& b) { return call_key(a) < call_key(b); });
    merge_rows(
        part.calls,
        [&](const CallRow& a, const CallRow& b) { return a.function == b.function && call_key(a) == call_key(b); },
        [&](CallRow& a, const CallRow& b) {
          a.count += b.count;
          add_costs(a.cost, b.cost);
        });

    auto jump_key = [](const JumpRow& row) {
      return std::tuple(place(row.at), row.target_function, place(row.target), row.conditional);
    };
    sort_rows(part.jumps, count, [&](const JumpRow& a, const JumpRow& b) { return jump_key(a) < jump_key(b); });
    merge_rows(
        part.jumps,
        [&](const JumpRow& a, const JumpRow& b) { return a.function == b.function && jump_key(a) == jump_key(b); },
        [](JumpRow& a, const JumpRow& b) {
          a.executed += b.executed;
          a.followed += b.followed;
        });
  }

  static constexpr uint32_t kNotYet = ~0u;

  const Profile& profile_;
  const GroupOptions& options_;
  size_t event_count_;
  CodeMap map_;
  Grouped result_;
  std::vector<uint32_t> rank_;
  std::vector<uint32_t> plain_;  // by CodeMap's index
  std::unordered_map<uint64_t, uint32_t> in_context_;
  std::unordered_map<std::string, uint32_t> by_name_;
};

}  // namespace

Grouped group(const Profile& profile, const GroupOptions& options, ModuleCodeCache& cache) {
  return Grouper(profile, options, cache).run();
}

}  // namespace vsup::supervisor::callgrind
