#include "supervisor/symbols/symbol_table.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>

#include "supervisor/symbols/byte_cursor.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxDepth = 64;  // of functions within functions
constexpr uint64_t kPltEntryBytes = 16;
// Names may share their ends; a damaged table's may be one within the other, a whole table each.
constexpr uint64_t kMostNameOverlap = 8;

template <typename T>
T record_at(const std::vector<uint8_t>& bytes, size_t index) {
  T record;
  std::memcpy(&record, bytes.data() + index * sizeof(T), sizeof record);
  return record;
}

std::string_view string_at(const std::vector<uint8_t>& strings, uint64_t offset) {
  if (offset >= strings.size()) return {};
  auto* start = reinterpret_cast<const char*>(strings.data() + offset);
  return {start, strnlen(start, strings.size() - offset)};
}

// Everything that a file says of its functions.
class Collector {
 public:
  struct Piece {
    uint64_t start, end;
    uint32_t function;
  };
  struct Function {
    uint64_t start = 0, end = 0;
    std::string_view name;
    FunctionSymbol::Kind kind = FunctionSymbol::Kind::kSymbol;
  };

  Collector(const ElfFile& file, const ElfFile* debug_file);

  const std::vector<Function>& functions() const { return functions_; }
  const std::vector<Piece>& pieces() const { return pieces_; }  // sorted, disjoint
  uint64_t string_bytes() const;                                // of the tables that the names lie in

 private:
  struct Area {
    uint64_t start, end;
  };
  void collect_areas(const ElfFile& file);
  const std::vector<uint8_t>* strings_of(const ElfFile& file, const ElfSection& symbols);
  void collect_symbols(const ElfFile& file, const char* section_name, std::vector<Function>& found);
  void collect_plt(const ElfFile& file, std::vector<Function>& found);
  static void collect_frame_starts(const ElfFile& file, std::vector<uint64_t>& starts);
  const Area* area_of(uint64_t vaddr) const;
  static bool preferred(std::string_view a, std::string_view b);
  void settle(std::vector<Function>& found);
  void fill_gaps(const std::vector<uint64_t>& starts);

  std::vector<Area> areas_;  // executable sections, else segments; sorted
  std::vector<Function> functions_;
  std::vector<Piece> pieces_;
  std::map<const ElfSection*, std::vector<uint8_t>> strings_;
};

Collector::Collector(const ElfFile& file, const ElfFile* debug_file) {
  collect_areas(file);
  std::vector<Function> found;
  if (file.section(".symtab")) {
    collect_symbols(file, ".symtab", found);
  } else if (debug_file) {
    collect_symbols(*debug_file, ".symtab", found);
  }
  collect_symbols(file, ".dynsym", found);
  collect_plt(file, found);
  settle(found);
  std::vector<uint64_t> starts;
  collect_frame_starts(file, starts);
  fill_gaps(starts);
}

uint64_t Collector::string_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [section, strings] : strings_) bytes += strings.size();
  return bytes;
}

void Collector::collect_areas(const ElfFile& file) {
  for (const ElfSection& section : file.sections()) {
    if ((section.flags & SHF_EXECINSTR) && section.size != 0 && section.type != SHT_NULL) {
      areas_.push_back({section.address, section.address + section.size});
    }
  }
  if (areas_.empty()) {
    for (const ElfSegment& segment : file.segments()) {
      if (segment.type == PT_LOAD && (segment.flags & PF_X)) {
        areas_.push_back({segment.vaddr, segment.vaddr + segment.memory_size});
      }
    }
  }
  std::erase_if(areas_, [](const Area& area) { return area.end <= area.start; });
  std::sort(areas_.begin(), areas_.end(), [](const Area& a, const Area& b) { return a.start < b.start; });
}

const Collector::Area* Collector::area_of(uint64_t vaddr) const {
  auto after = std::upper_bound(areas_.begin(), areas_.end(), vaddr,
                                [](uint64_t value, const Area& area) { return value < area.start; });
  if (after == areas_.begin() || vaddr >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

// The names of a table of symbols; null if they cannot be had.
const std::vector<uint8_t>* Collector::strings_of(const ElfFile& file, const ElfSection& symbols) {
  if (symbols.link >= file.sections().size()) return nullptr;
  const ElfSection& section = file.sections()[symbols.link];
  auto known = strings_.find(&section);
  if (known == strings_.end()) {
    auto bytes = file.contents(section);
    if (!bytes) return nullptr;
    known = strings_.emplace(&section, std::move(*bytes)).first;
  }
  return &known->second;
}

void Collector::collect_symbols(const ElfFile& file, const char* section_name, std::vector<Function>& found) {
  const ElfSection* table = file.section(section_name);
  auto symbols = table ? file.contents(*table) : std::nullopt;
  const std::vector<uint8_t>* strings = symbols ? strings_of(file, *table) : nullptr;
  if (!strings) return;
  size_t count = symbols->size() / sizeof(Elf64_Sym);
  for (size_t i = 0; i < count; i++) {
    auto symbol = record_at<Elf64_Sym>(*symbols, i);
    unsigned type = ELF64_ST_TYPE(symbol.st_info);
    // A label of assembly code without a type counts when it is global: _start is one.
    bool is_label = type == STT_NOTYPE && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
    if (type != STT_FUNC && type != STT_GNU_IFUNC && !is_label) continue;
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0 || !area_of(symbol.st_value)) continue;
    std::string_view name = string_at(*strings, symbol.st_name);
    if (name.empty()) continue;
    uint64_t end = symbol.st_value + symbol.st_size;
    if (end < symbol.st_value) end = symbol.st_value;
    found.push_back({symbol.st_value, end, name, FunctionSymbol::Kind::kSymbol});
  }
}

// An entry jumps through its slot of the global offset table, and the slot's relocation names the function.
void Collector::collect_plt(const ElfFile& file, std::vector<Function>& found) {
  std::unordered_map<uint64_t, std::string_view> slots;
  const ElfSection* dynsym = file.section(".dynsym");
  auto symbols = dynsym ? file.contents(*dynsym) : std::nullopt;
  const std::vector<uint8_t>* strings = symbols ? strings_of(file, *dynsym) : nullptr;
  if (!strings) return;
  for (const char* name : {".rela.plt", ".rela.dyn"}) {
    const ElfSection* section = file.section(name);
    auto relocations = section ? file.contents(*section) : std::nullopt;
    if (!relocations) continue;
    for (size_t i = 0; i < relocations->size() / sizeof(Elf64_Rela); i++) {
      auto relocation = record_at<Elf64_Rela>(*relocations, i);
      unsigned type = ELF64_R_TYPE(relocation.r_info);
      if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
      size_t index = ELF64_R_SYM(relocation.r_info);
      if (index >= symbols->size() / sizeof(Elf64_Sym)) continue;
      slots[relocation.r_offset] = string_at(*strings, record_at<Elf64_Sym>(*symbols, index).st_name);
    }
  }
  for (const ElfSection& section : file.sections()) {
    if (!(section.flags & SHF_EXECINSTR) || !section.name.starts_with(".plt")) continue;
    auto code = file.contents(section);
    if (!code) continue;
    uint64_t size = section.name == ".plt.got" && section.entry_size == 8 ? 8 : kPltEntryBytes;
    for (uint64_t at = 0; at < code->size(); at += size) {
      uint64_t end = std::min<uint64_t>(at + size, code->size());
      Function entry{section.address + at, section.address + end, {}, FunctionSymbol::Kind::kPlt};
      for (uint64_t i = at; i + 6 <= end; i++) {
        if ((*code)[i] != 0xff || (*code)[i + 1] != 0x25) continue;  // jmp *disp(%rip)
        int32_t displacement;
        std::memcpy(&displacement, code->data() + i + 2, sizeof displacement);
        auto slot = slots.find(section.address + i + 6 + static_cast<uint64_t>(int64_t{displacement}));
        if (slot != slots.end()) entry.name = slot->second;
        break;
      }
      found.push_back(entry);
    }
  }
}

// Linux Standard Base 5.0 core, chapter 10.6.2; only the encoding that linkers write, a sorted table of pairs of 32-bit
// offsets from the section's start.
void Collector::collect_frame_starts(const ElfFile& file, std::vector<uint64_t>& starts) {
  const ElfSection* section = file.section(".eh_frame_hdr");
  std::optional<std::vector<uint8_t>> bytes;
  uint64_t address = 0;
  if (section) {
    bytes = file.contents(*section);
    address = section->address;
  } else if (const ElfSegment* segment = file.segment(PT_GNU_EH_FRAME)) {
    bytes = file.contents(*segment);
    address = segment->vaddr;
  }
  if (!bytes) return;
  ByteCursor cursor(*bytes);
  if (cursor.fixed<uint8_t>() != 1 || cursor.fixed<uint8_t>() != 0x1b || cursor.fixed<uint8_t>() != 0x03 ||
      cursor.fixed<uint8_t>() != 0x3b) {
    return;
  }
  cursor.fixed<uint32_t>();
  auto count = cursor.fixed<uint32_t>();
  for (uint32_t i = 0; i < count && !cursor.at_end(); i++) {
    auto start = cursor.fixed<int32_t>();
    cursor.fixed<int32_t>();
    if (cursor.ok()) starts.push_back(address + static_cast<uint64_t>(int64_t{start}));
  }
  std::sort(starts.begin(), starts.end());
}

// Whether the name `a` is better than `b` at the same address.
bool Collector::preferred(std::string_view a, std::string_view b) {
  size_t a_version = a.find('@'), b_version = b.find('@');
  size_t a_size = std::min(a_version, a.size()), b_size = std::min(b_version, b.size());
  if (a_size != b_size) return a_size < b_size;
  bool a_versioned = a_version != std::string_view::npos, b_versioned = b_version != std::string_view::npos;
  if (a_versioned != b_versioned) return a_versioned;
  return a < b;
}

// Candidates to functions, one an address, and to the disjoint pieces that find() searches.
void Collector::settle(std::vector<Function>& found) {
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
  for (const Function& symbol : found) {
    if (functions_.empty() || functions_.back().start != symbol.start) {
      functions_.push_back(symbol);
      continue;
    }
    Function& known = functions_.back();
    known.end = std::max(known.end, symbol.end);
    if (known.kind == symbol.kind && preferred(symbol.name, known.name)) known.name = symbol.name;
  }
  for (size_t i = 0; i < functions_.size(); i++) {
    Function& function = functions_[i];
    const Area* area = area_of(function.start);
    if (function.end == function.start) {  // no size given: as far as the next one
      function.end = area ? area->end : function.start + 1;
      if (i + 1 < functions_.size()) function.end = std::min(function.end, functions_[i + 1].start);
    }
    if (area) function.end = std::min(function.end, area->end);
  }

  // A function that begins within another ends it, and gives way to it again at its own end.
  std::vector<uint32_t> open;
  uint64_t at = 0;
  auto close_until = [&](uint64_t limit) {
    while (!open.empty() && at < limit) {
      uint64_t end = std::min(limit, functions_[open.back()].end);
      if (at < end) {
        pieces_.push_back({at, end, open.back()});
        at = end;
      }
      if (functions_[open.back()].end <= at) open.pop_back();
    }
  };
  for (uint32_t i = 0; i < functions_.size(); i++) {
    close_until(functions_[i].start);
    while (!open.empty() && functions_[open.back()].end <= functions_[i].start) open.pop_back();
    if (open.size() >= kMaxDepth) open.clear();
    at = functions_[i].start;
    open.push_back(i);
  }
  close_until(~uint64_t{0});
}

void Collector::fill_gaps(const std::vector<uint64_t>& starts) {
  std::vector<Piece> all;
  all.reserve(pieces_.size());
  auto start = starts.begin();
  auto fill = [&](uint64_t from, uint64_t to) {
    while (from < to) {
      start = std::upper_bound(starts.begin(), starts.end(), from);
      uint64_t end = start == starts.end() ? to : std::min(to, *start);
      functions_.push_back({from, end, {}, FunctionSymbol::Kind::kUnnamed});
      all.push_back({from, end, static_cast<uint32_t>(functions_.size() - 1)});
      from = end;
    }
  };
  size_t next = 0;
  for (const Area& area : areas_) {
    uint64_t at = area.start;
    for (; next < pieces_.size() && pieces_[next].start < area.end; next++) {
      const Piece& piece = pieces_[next];
      // Padding before a function is no function; only what .eh_frame_hdr says begins there.
      if (piece.start > at) {
        auto first = std::lower_bound(starts.begin(), starts.end(), at);
        if (first != starts.end() && *first < piece.start) fill(*first, piece.start);
      }
      all.push_back(piece);
      at = std::max(at, piece.end);
    }
    if (at == area.start) {
      fill(at, area.end);
    } else {
      auto first = std::lower_bound(starts.begin(), starts.end(), at);
      if (first != starts.end() && *first < area.end) fill(*first, area.end);
    }
  }
  std::sort(all.begin(), all.end(), [](const Piece& a, const Piece& b) { return a.start < b.start; });
  pieces_ = std::move(all);
}

}  // namespace

SymbolTable::SymbolTable(const ElfFile& file, const ElfFile* debug_file) {
  const Collector collected(file, debug_file);
  const std::vector<Collector::Function>& functions = collected.functions();
  uint64_t name_bytes = 1;
  for (const Collector::Function& function : functions) name_bytes += function.name.size() + 1;
  const uint64_t most = std::min<uint64_t>({name_bytes, kMostNameOverlap * collected.string_bytes(), kMostDetail});
  names_.reserve(most);
  names_.push_back(0);
  pieces_.reserve(collected.pieces().size());
  std::vector<uint32_t> first(functions.size(), kNone);
  for (const Collector::Piece& piece : collected.pieces()) {
    if (pieces_.size() > kMostDetail) break;
    uint32_t& index = first[piece.function];
    if (index != kNone) {
      add_piece(piece.start, piece.end, index, kLater);
      continue;
    }
    index = static_cast<uint32_t>(pieces_.size());
    const Collector::Function& function = functions[piece.function];
    add_piece(piece.start, piece.end, add_name(function.name, most), static_cast<uint32_t>(function.kind));
  }
}

// Returns where it begins in names_, 0 when it is empty or there is no room.
uint32_t SymbolTable::add_name(std::string_view name, uint64_t most_bytes) {
  if (name.empty() || names_.size() + name.size() + 1 > most_bytes) return 0;
  const auto at = static_cast<uint32_t>(names_.size());
  names_.insert(names_.end(), name.begin(), name.end());
  names_.push_back(0);
  return at;
}

void SymbolTable::add_piece(uint64_t start, uint64_t end, uint32_t detail, uint32_t kind) {
  constexpr uint64_t kMost = ~0u;
  const auto index = static_cast<uint32_t>(pieces_.size());
  if (chunks_.empty() || start - chunks_.back().base > kMost) chunks_.push_back({start, index});
  const auto size = static_cast<uint32_t>(std::min(end - start, kMost));
  pieces_.push_back({static_cast<uint32_t>(start - chunks_.back().base), size, detail & kMostDetail, kind & 3});
}

uint32_t SymbolTable::find(uint64_t vaddr) const {
  const auto chunk = std::upper_bound(chunks_.begin(), chunks_.end(), vaddr,
                                      [](uint64_t value, const Chunk& one) { return value < one.base; });
  if (chunk == chunks_.begin()) return kNone;
  const uint64_t distance = vaddr - std::prev(chunk)->base;
  const auto first = pieces_.begin() + std::prev(chunk)->first;
  const auto last = chunk == chunks_.end() ? pieces_.end() : pieces_.begin() + chunk->first;
  const auto piece = std::prev(
      std::upper_bound(first, last, distance, [](uint64_t value, const Piece& one) { return value < one.start; }));
  if (distance - piece->start >= piece->size) return kNone;
  return piece->kind == kLater ? piece->detail : static_cast<uint32_t>(piece - pieces_.begin());
}

FunctionSymbol SymbolTable::function(uint32_t index) const {
  if (pieces_[index].kind == kLater) index = pieces_[index].detail;
  const Piece& piece = pieces_[index];
  const auto chunk = std::upper_bound(chunks_.begin(), chunks_.end(), index,
                                      [](uint32_t value, const Chunk& one) { return value < one.first; });
  return {std::prev(chunk)->base + piece.start, std::string_view(names_.data() + piece.detail),
          static_cast<FunctionSymbol::Kind>(uint32_t{piece.kind})};
}

std::optional<ElfFile> open_debug_file(const ElfFile& file, const std::string& path) {
  const std::string& id = file.build_id();
  if (id.size() > 2) {
    auto debug = ElfFile::open("/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug");
    if (debug && debug->build_id() == id) return debug;
  }
  const ElfSection* link = file.section(".gnu_debuglink");
  auto bytes = link ? file.contents(*link) : std::nullopt;
  if (!bytes) return std::nullopt;
  std::string name(string_at(*bytes, 0));
  size_t slash = path.rfind('/');
  if (name.empty() || name.find('/') != std::string::npos || slash == std::string::npos) return std::nullopt;
  std::string folder = path.substr(0, slash + 1);
  for (const std::string& candidate : {folder + ".debug/" + name, "/usr/lib/debug" + folder + name, folder + name}) {
    if (candidate == path) continue;
    auto debug = ElfFile::open(candidate);
    if (debug && debug->build_id() == id) return debug;
  }
  return std::nullopt;
}

}  // namespace vsup::supervisor
