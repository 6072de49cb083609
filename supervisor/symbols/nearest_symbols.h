// Purpose: the name that libdw's dwfl_module_addrinfo gives to an address, by binary search: libdw looks through the
// whole symbol table for each address.
// Assumes: symbols are added in the order of libdw's table, all that it has of a name, before the first question.
// Promises: the same choice as elfutils 0.188 makes; where a label without a size may be meant it says so, and libdw is
// to be asked.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace vsup::supervisor {

struct ListedSymbol {
  uint64_t value = 0, size = 0;
  std::string_view name;  // kept by its owner
  uint8_t info = 0;       // st_info
  bool local = false;     // stands before the first global one
};

class NearestSymbols {
 public:
  struct Answer {
    enum class Kind : uint8_t { kNone, kFound, kUnsure };
    Kind kind = Kind::kNone;
    const ListedSymbol* symbol = nullptr;
  };

  void add(const ListedSymbol& symbol);
  Answer find(uint64_t address);

 private:
  // One part of the table: libdw asks the local ones only when no global one holds the address.
  struct Part {
    std::vector<ListedSymbol> symbols;    // in the table's order
    std::vector<uint32_t> by_value;       // indices
    std::vector<uint64_t> highest_end;    // of by_value's entries up to here
    std::vector<uint64_t> highest_label;  // 1 + value of the last one without a size up to here; 0: none
    void sort();
    // How many of by_value begin at or below the address.
    size_t count_to(uint64_t address) const;
    const ListedSymbol* holder(uint64_t address) const;
  };

  Part globals_, locals_;
  bool sorted_ = false;
};

}  // namespace vsup::supervisor
