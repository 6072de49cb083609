#include "supervisor/symbols/symbol_module.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "supervisor/ptrace/proc_files.h"
#include "supervisor/symbols/debug_files.h"
#include "supervisor/symbols/demangle.h"
#include "supervisor/symbols/line_image.h"
#include "supervisor/symbols/symbol_copy.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxCachedAddresses = 65536;
constexpr int kMaxDieDepth = 200;
constexpr size_t kMaxDiesPerUnit = 50'000'000;

int find_no_elf(Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) {
  return -1;
}

Dwfl* begin_session() {
  static Dwfl_Callbacks callbacks = [] {
    Dwfl_Callbacks result{};
    result.find_elf = find_no_elf;
    result.find_debuginfo = find_debug_file;
    result.section_address = dwfl_offline_section_address;
    return result;
  }();
  return dwfl_begin(&callbacks);
}

std::string name_of(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  const char* name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
  if (!name) name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
  if (name) return demangle(name);
  name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
  return name ? name : "";
}

std::string bare_name_of(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  const char* name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
  return name ? name : "";
}

std::string absolute_path(const char* file, Dwarf_Die* unit) {
  if (!file) return {};
  if (file[0] == '/') return file;
  Dwarf_Attribute attribute;
  const char* directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
  return directory ? std::string(directory) + "/" + file : file;
}

unsigned long number_of(Dwarf_Die* die, unsigned attribute_name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_formudata(dwarf_attr(die, attribute_name, &attribute), &value) != 0) return 0;
  return value;
}

bool has_code_inside(int tag) {
  switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:  // Rust's methods of enums
      return true;
    default:
      return false;
  }
}

// Calls visit(die) for the children of `parent`; a damaged sibling chain may be endless, so `budget` counts down.
template <typename Visit>
void for_children(Dwarf_Die* parent, size_t& budget, Visit visit) {
  Dwarf_Die child;
  if (dwarf_child(parent, &child) != 0) return;
  do {
    if (budget == 0) return;
    budget--;
    if (!visit(&child)) return;
  } while (dwarf_siblingof(&child, &child) == 0);
}

// The inlined functions around `pc` within `parent`, outermost first.
void find_inlined(Dwarf_Die* parent, Dwarf_Addr pc, size_t& budget, int depth, std::vector<Dwarf_Die>& chain) {
  if (depth > kMaxDieDepth) return;
  for_children(parent, budget, [&](Dwarf_Die* die) {
    int tag = dwarf_tag(die);
    bool inlined = tag == DW_TAG_inlined_subroutine;
    if (!inlined && tag != DW_TAG_lexical_block && tag != DW_TAG_try_block && tag != DW_TAG_catch_block) return true;
    bool bare_block = !inlined && !dwarf_hasattr(die, DW_AT_low_pc) && !dwarf_hasattr(die, DW_AT_ranges);
    if (!bare_block && dwarf_haspc(die, pc) <= 0) return true;
    if (inlined) chain.push_back(*die);
    size_t before = chain.size();
    find_inlined(die, pc, budget, depth + 1, chain);
    return bare_block && chain.size() == before;
  });
}

}  // namespace

std::unique_ptr<SymbolModule> SymbolModule::from_file(int fd, const std::string& name) {
  auto elf = ElfFile::from_fd(fd);
  if (!elf || elf->class_bits() != 64) {
    ::close(fd);
    return nullptr;
  }
  std::unique_ptr<SymbolModule> module(new SymbolModule(std::move(*elf)));
  module->name_ = name;
  module->fd_ = fd;
  return module;
}

void SymbolModule::open_debug_information() {
  if (fd_ < 0) return;
  const int fd = symbol_copy(std::exchange(fd_, -1));
  dwfl_ = begin_session();
  if (dwfl_) {
    dwfl_report_begin(dwfl_);
    // Base 0 plus the file's own addresses: libdwfl's addresses are then the link-time ones.
    module_ = dwfl_report_elf(dwfl_, "module", name_.c_str(), fd, 0, true);
    dwfl_report_end(dwfl_, nullptr, nullptr);
  }
  if (!module_) ::close(fd);
  GElf_Addr bias = 0;
  if (module_ && dwfl_module_getelf(module_, &bias)) bias_ = bias;
}

std::unique_ptr<SymbolModule> SymbolModule::from_memory(std::shared_ptr<const std::vector<uint8_t>> image,
                                                        const std::string& name) {
  auto elf = ElfFile::from_bytes(*image);
  if (!elf || elf->class_bits() != 64) return nullptr;
  std::unique_ptr<SymbolModule> module(new SymbolModule(std::move(*elf)));
  module->memory_ = std::move(image);
  module->dwfl_ = begin_session();
  if (module->dwfl_) {
    dwfl_report_begin(module->dwfl_);
    char* bytes = reinterpret_cast<char*>(const_cast<uint8_t*>(module->memory_->data()));  // read only, says libelf
    module->module_ = dwfl_report_offline_memory(module->dwfl_, "module", name.c_str(), bytes, module->memory_->size());
    dwfl_report_end(module->dwfl_, nullptr, nullptr);
  }
  GElf_Addr bias = 0;
  if (module->module_ && dwfl_module_getelf(module->module_, &bias)) module->bias_ = bias;
  return module;
}

SymbolModule::~SymbolModule() {
  if (fd_ >= 0) ::close(fd_);
  if (dwfl_) dwfl_end(dwfl_);
}

const std::vector<Frame>& SymbolModule::frames_at(uint64_t vaddr) {
  auto found = cache_.find(vaddr);
  if (found != cache_.end()) return found->second;
  if (cache_.size() >= kMaxCachedAddresses) cache_.clear();
  return cache_.emplace(vaddr, find_frames(vaddr)).first->second;
}

Dwarf* SymbolModule::dwarf(uint64_t* bias) {
  open_debug_information();
  Dwarf_Addr difference = 0;
  Dwarf* result = module_ ? dwfl_module_getdwarf(module_, &difference) : nullptr;
  *bias = bias_ - difference;
  return result;
}

void SymbolModule::prepare() {
  open_debug_information();
  if (!module_) return;
  Dwarf_Addr bias = 0;
  dwfl_module_addrdie(module_, bias_, &bias);
  uint64_t offset = 0;
  nearest_symbol(bias_, &offset);
  read_symbols();
}

std::vector<uint8_t> SymbolModule::line_image() {
  if (memory_) return {};
  const auto debug_file = elf_.section(".debug_line") ? std::nullopt : open_debug_file(elf_, name_);
  // Without a build id only libdwfl knows, by a checksum, whether it is this file's.
  if (debug_file && (elf_.build_id().empty() || debug_file->lowest_vaddr() != elf_.lowest_vaddr())) return {};
  return supervisor::line_image(debug_file ? *debug_file : elf_);
}

std::vector<Frame> SymbolModule::find_frames(uint64_t vaddr) {
  open_debug_information();
  if (!module_) return {};
  uint64_t address = vaddr + bias_;
  std::vector<Frame> frames = find_debug_frames(address);
  if (frames.empty()) frames.emplace_back();
  // The symbol table knows where the function starts, and names those without debug information.
  uint64_t offset = 0;
  if (const char* name = nearest_symbol(address, &offset)) {
    if (frames.back().function.empty()) frames.back().function = demangle(name);
    frames.back().offset = offset;
  }
  if (frames.size() == 1 && frames[0].function.empty() && frames[0].line == 0) return {};
  frames.back().linkage = linkage_name(vaddr);
  return frames;
}

// Null: none.
const char* SymbolModule::nearest_symbol(uint64_t address, uint64_t* offset) {
  if (!nearest_) {
    nearest_ = std::make_unique<NearestSymbols>();
    const int count = dwfl_module_getsymtab(module_), first_global = dwfl_module_getsymtab_first_global(module_);
    for (int i = 1; i < count; i++) {
      GElf_Sym symbol;
      GElf_Addr value = 0;
      const char* name = dwfl_module_getsym_info(module_, i, &symbol, &value, nullptr, nullptr, nullptr);
      if (name && symbol.st_shndx != SHN_UNDEF)
        nearest_->add({value, symbol.st_size, name, symbol.st_info, i < first_global});
    }
  }
  const NearestSymbols::Answer answer = nearest_->find(address);
  if (answer.kind == NearestSymbols::Answer::Kind::kFound) {
    *offset = address - answer.symbol->value;
    return answer.symbol->name.data();
  }
  if (answer.kind == NearestSymbols::Answer::Kind::kNone) return nullptr;
  GElf_Sym symbol;
  return dwfl_module_addrinfo(module_, address, offset, &symbol, nullptr, nullptr, nullptr);
}

void SymbolModule::read_symbols() {
  if (symbols_) return;
  const auto debug_file = memory_ ? std::nullopt : open_debug_file(elf_, name_);
  has_debug_file_ = debug_file.has_value();
  symbols_ = std::make_unique<SymbolTable>(elf_, debug_file ? &*debug_file : nullptr);
}

bool SymbolModule::may_have_debug_information() {
  read_symbols();
  return has_debug_file_ || elf_.section(".debug_info") != nullptr || elf_.section(".zdebug_info") != nullptr ||
         std::getenv("DEBUGINFOD_URLS") != nullptr;
}

std::string SymbolModule::linkage_name(uint64_t vaddr) {
  read_symbols();
  const uint32_t index = symbols_->find(vaddr);
  if (index == SymbolTable::kNone) return {};
  const FunctionSymbol symbol = symbols_->function(index);
  return symbol.kind == FunctionSymbol::Kind::kSymbol ? std::string(symbol.name) : std::string();
}

// The unit whose ranges hold the address, for files without .debug_aranges (clang, Rust).
void SymbolModule::index_units() {
  units_indexed_ = true;
  Dwarf_Addr bias;
  Dwarf* dwarf = dwfl_module_getdwarf(module_, &bias);
  if (!dwarf) return;
  Dwarf_CU* unit = nullptr;
  Dwarf_Half version;
  uint8_t unit_type;
  Dwarf_Die die, sub_die;
  while (dwarf_get_units(dwarf, unit, &unit, &version, &unit_type, &die, &sub_die) == 0) {
    Dwarf_Addr base, start, end;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(&die, offset, &base, &start, &end)) > 0) {
      if (start < end) units_[start] = {end, dwarf_dieoffset(&die)};
    }
  }
}

std::vector<Frame> SymbolModule::find_debug_frames(uint64_t address) {
  Dwarf_Addr bias = 0;
  Dwarf_Die unit_memory;
  Dwarf_Die* unit = dwfl_module_addrdie(module_, address, &bias);
  // It gives what lies in a gap between units to the one before.
  if (!unit || dwarf_haspc(unit, address - bias) != 1) {
    Dwarf* dwarf = dwfl_module_getdwarf(module_, &bias);
    if (!dwarf) return {};
    if (!units_indexed_) index_units();
    auto after = units_.upper_bound(address - bias);
    if (after == units_.begin() || address - bias >= std::prev(after)->second.end) return {};
    unit = dwarf_offdie(dwarf, std::prev(after)->second.die_offset, &unit_memory);
    if (!unit) return {};
  }
  Dwarf_Addr pc = address - bias;

  std::vector<Frame> frames;
  // Where the innermost code comes from: the line table. Then each inlined scope names its caller's line.
  std::string file;
  unsigned line_number = 0;
  if (Dwarf_Line* line = dwarf_getsrc_die(unit, pc)) {
    int number = 0;
    if (dwarf_lineno(line, &number) == 0 && number > 0) line_number = static_cast<unsigned>(number);
    file = absolute_path(dwarf_linesrc(line, nullptr, nullptr), unit);
  }

  // A skeleton unit (-gsplit-dwarf) has its scopes elsewhere.
  Dwarf_Die split;
  Dwarf_Die* scope_unit = unit;
  uint8_t unit_type = 0;
  if (dwarf_cu_info(unit->cu, nullptr, &unit_type, nullptr, &split, nullptr, nullptr, nullptr) == 0 &&
      unit_type == DW_UT_skeleton && dwarf_tag(&split) != DW_TAG_invalid) {
    scope_unit = &split;
  }

  std::vector<Dwarf_Die> chain;
  Dwarf_Die function;
  bool has_function = find_function(scope_unit, pc, &function);
  if (has_function) {
    size_t budget = kMaxDiesPerUnit;
    find_inlined(&function, pc, budget, 0, chain);
  }
  Dwarf_Files* files = nullptr;
  if (!chain.empty()) dwarf_getsrcfiles(unit, &files, nullptr);
  for (size_t i = chain.size(); i > 0; i--) {
    Dwarf_Die* die = &chain[i - 1];
    frames.push_back({0, name_of(die), 0, "", file, line_number, true, false, bare_name_of(die)});
    line_number = static_cast<unsigned>(number_of(die, DW_AT_call_line));
    file = files ? absolute_path(dwarf_filesrc(files, number_of(die, DW_AT_call_file), nullptr, nullptr), unit) : "";
  }
  if (!has_function && line_number == 0) return {};
  frames.push_back({0, has_function ? name_of(&function) : "", 0, "", file, line_number, false, false, ""});
  return frames;
}

// libdw's dwarf_getscopes looks at no function inside a namespace, where clang and rustc put them.
bool SymbolModule::find_function(Dwarf_Die* unit, uint64_t pc, Dwarf_Die* function) {
  auto [entry, is_new] = functions_.try_emplace(unit->cu);
  std::vector<FunctionRange>& ranges = entry->second;
  if (is_new) {
    size_t budget = kMaxDiesPerUnit;
    index_functions(unit, budget, 0, ranges);
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
  }
  auto after = std::upper_bound(ranges.begin(), ranges.end(), pc,
                                [](uint64_t value, const FunctionRange& range) { return value < range.start; });
  for (int tries = 0; tries < 64 && after != ranges.begin(); tries++) {
    --after;
    if (pc >= after->end) continue;
    *function = after->die;
    return true;
  }
  return false;
}

void SymbolModule::index_functions(Dwarf_Die* parent, size_t& budget, int depth, std::vector<FunctionRange>& ranges) {
  if (depth > kMaxDieDepth) return;
  for_children(parent, budget, [&](Dwarf_Die* die) {
    int tag = dwarf_tag(die);
    if (!has_code_inside(tag)) return true;
    if (tag == DW_TAG_subprogram) {
      Dwarf_Addr base, start, end;
      ptrdiff_t offset = 0;
      while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
        if (start != 0 && start < end) ranges.push_back({start, end, *die});  // 0: discarded by the linker
      }
    }
    if (dwarf_haschildren(die) > 0) index_functions(die, budget, depth + 1, ranges);
    return true;
  });
}

namespace {

// What is mapped there now may be another file.
bool is_file_of(int fd, const Module& module) {
  const std::string path = read_link("/proc/self/fd/" + std::to_string(fd));
  return path == module.path || path == module.path + " (deleted)";
}

}  // namespace

int open_module_file(const Module& module, pid_t pid, std::string* path) {
  if (module.path.empty() || module.path[0] != '/') return -1;
  std::string process = "/proc/" + std::to_string(pid);
  char range[64];
  const MapEntry& first = module.mappings.front();
  std::snprintf(range, sizeof range, "/map_files/%llx-%llx", static_cast<unsigned long long>(first.start),
                static_cast<unsigned long long>(first.end));
  struct Candidate {
    std::string path;
    bool is_mapped;  // what the process has mapped, even if it is deleted
  };
  std::vector<Candidate> candidates;
  if (pid > 0) {
    candidates.push_back({process + range, true});                       // needs privilege
    if (module.deleted) candidates.push_back({process + "/exe", true});  // the program alone
    candidates.push_back({process + "/root" + module.path, false});
  }
  candidates.push_back({module.path, false});
  for (const Candidate& candidate : candidates) {
    int fd = ::open(candidate.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) continue;
    auto elf = ElfFile::from_fd(fd);
    bool same = elf && elf->class_bits() == 64;
    bool known_id = module.image && !module.image->build_id.empty();
    if (same && known_id) same = elf->build_id() == module.image->build_id;
    if (same && !known_id) same = candidate.is_mapped ? is_file_of(fd, module) : !module.deleted;
    if (same) {
      if (path) *path = candidate.path;
      return fd;
    }
    ::close(fd);
  }
  if (module.image && module.image->build_id.size() > 2) {
    const std::string& id = module.image->build_id;
    std::string debug = "/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug";
    int fd = ::open(debug.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      if (path) *path = debug;
      return fd;
    }
  }
  return -1;
}

}  // namespace vsup::supervisor
