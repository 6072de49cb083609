#include "supervisor/symbols/nearest_symbols.h"

#include <elf.h>

#include <algorithm>

namespace vsup::supervisor {
namespace {

int rank_of_binding(const ListedSymbol& symbol) {
  switch (ELF64_ST_BIND(symbol.info)) {
    case STB_GLOBAL:
      return 3;
    case STB_WEAK:
      return 2;
    case STB_LOCAL:
      return 1;
    default:
      return 0;
  }
}

// Whether a later symbol that holds the address takes the place of an earlier one.
bool takes_place(const ListedSymbol& later, const ListedSymbol& earlier) {
  const int later_rank = rank_of_binding(later), earlier_rank = rank_of_binding(earlier);
  if (earlier.value < later.value || earlier_rank < later_rank) return true;
  return earlier.value == later.value && later.size < earlier.size && earlier_rank <= later_rank;
}

}  // namespace

void NearestSymbols::add(const ListedSymbol& symbol) {
  const unsigned type = ELF64_ST_TYPE(symbol.info);
  if (symbol.name.empty() || type == STT_SECTION || type == STT_FILE || type == STT_TLS) return;
  (symbol.local ? locals_ : globals_).symbols.push_back(symbol);
}

void NearestSymbols::Part::sort() {
  by_value.resize(symbols.size());
  for (uint32_t i = 0; i < by_value.size(); ++i) by_value[i] = i;
  std::sort(by_value.begin(), by_value.end(), [this](uint32_t a, uint32_t b) {
    return symbols[a].value != symbols[b].value ? symbols[a].value < symbols[b].value : a < b;
  });
  uint64_t end = 0, label = 0;
  for (const uint32_t index : by_value) {
    const ListedSymbol& symbol = symbols[index];
    end = std::max(end, symbol.value + symbol.size);
    if (symbol.size == 0) label = symbol.value + 1;
    highest_end.push_back(end);
    highest_label.push_back(label);
  }
}

size_t NearestSymbols::Part::count_to(uint64_t address) const {
  return static_cast<size_t>(
      std::upper_bound(by_value.begin(), by_value.end(), address,
                       [this](uint64_t wanted, uint32_t index) { return wanted < symbols[index].value; }) -
      by_value.begin());
}

const ListedSymbol* NearestSymbols::Part::holder(uint64_t address) const {
  std::vector<uint32_t> holding;
  for (size_t i = count_to(address); i > 0 && highest_end[i - 1] > address; --i) {
    const ListedSymbol& symbol = symbols[by_value[i - 1]];
    if (address - symbol.value < symbol.size) holding.push_back(by_value[i - 1]);
  }
  std::sort(holding.begin(), holding.end());
  const ListedSymbol* best = nullptr;
  for (const uint32_t index : holding)
    if (!best || takes_place(symbols[index], *best)) best = &symbols[index];
  return best;
}

NearestSymbols::Answer NearestSymbols::find(uint64_t address) {
  using enum Answer::Kind;
  if (!sorted_) {
    globals_.sort();
    locals_.sort();
    sorted_ = true;
  }
  // A label is meant only when nothing that begins below the address reaches beyond the label.
  uint64_t end = 0, label = 0;
  for (const Part* part : {&globals_, &locals_}) {
    if (const ListedSymbol* symbol = part->holder(address)) {
      // libdw does not come to the local ones when a global label lies right there.
      return label == address + 1 ? Answer{kUnsure, nullptr} : Answer{kFound, symbol};
    }
    if (const size_t count = part->count_to(address)) {
      end = std::max(end, part->highest_end[count - 1]);
      label = std::max(label, part->highest_label[count - 1]);
    }
  }
  return label != 0 && label - 1 >= end ? Answer{kUnsure, nullptr} : Answer{};
}

}  // namespace vsup::supervisor
