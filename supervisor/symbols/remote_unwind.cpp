#include "supervisor/symbols/remote_unwind.h"

#include <libunwind-x86_64.h>

#include <algorithm>

#include "protocol/agent_boot.h"
#include "supervisor/symbols/call_site.h"
#include "supervisor/symbols/process_memory.h"

// Exported by libunwind-x86_64 but declared in no installed header; its signature is part of the library's ABI and
// other remote unwinders (perf) call it as well.
extern "C" int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t* table,
                                                  unw_proc_info_t* info, int need_unwind_info, void* argument);

namespace vsup::supervisor {
namespace {

constexpr unsigned kMaxAccesses = 2'000'000;  // of memory words, for one stack

// .eh_frame_hdr: version, three encodings, pointer to .eh_frame, count, sorted table (LSB 5.0, chapter 10.6.2).
constexpr uint8_t kEncodingOmitted = 0xff;
constexpr uint8_t kTableEncoding = 0x3b;  // DW_EH_PE_datarel | DW_EH_PE_sdata4, the only one linkers write

size_t encoded_size(uint8_t encoding) {
  switch (encoding & 0x0f) {
    case 0x02:
    case 0x0a:
      return 2;
    case 0x03:
    case 0x0b:
      return 4;
    case 0x00:
    case 0x04:
    case 0x0c:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

class RemoteUnwinder::Implementation {
 public:
  explicit Implementation(pid_t pid)
      : memory_(pid),
        read_([this](uint64_t address, void* to, size_t size) { return memory_.read(address, to, size); }),
        modules_(ModuleMap::of_process(pid)) {
    unw_accessors_t accessors{};
    accessors.find_proc_info = find_proc_info;
    accessors.put_unwind_info = [](unw_addr_space_t, unw_proc_info_t*, void*) {};
    accessors.get_dyn_info_list_addr = [](unw_addr_space_t, unw_word_t*, void*) -> int { return -UNW_ENOINFO; };
    accessors.access_mem = access_memory;
    accessors.access_reg = access_register;
    accessors.access_fpreg = [](unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) -> int {
      return -UNW_EBADREG;
    };
    accessors.resume = [](unw_addr_space_t, unw_cursor_t*, void*) -> int { return -UNW_EINVAL; };
    accessors.get_proc_name = [](unw_addr_space_t, unw_word_t, char*, size_t, unw_word_t*, void*) -> int {
      return -UNW_ENOINFO;
    };
    space_ = unw_create_addr_space(&accessors, 0);
    if (space_) unw_set_caching_policy(space_, UNW_CACHE_GLOBAL);
  }

  ~Implementation() {
    if (space_) unw_destroy_addr_space(space_);
  }

  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  std::vector<RawFrame> unwind(const ThreadRegisters& registers) {
    registers_ = registers;
    accesses_ = 0;
    std::vector<RawFrame> frames;
    uint64_t stack_pointer = registers_.gpr[protocol::kRsp];
    frames.push_back({registers_.pc, registers_.pc, stack_pointer, false});
    modules_.inspect(registers_.pc, read_);
    if (!is_code(registers_.pc)) {
      // A call through a bad pointer: the caller is on top of the stack.
      uint64_t caller = 0;
      if (!memory_.read(stack_pointer, &caller, sizeof caller) || !is_code(caller)) return frames;
      registers_.pc = caller;
      registers_.gpr[protocol::kRsp] = stack_pointer += 8;
      frames.push_back({caller, caller - 1, stack_pointer, false});
      modules_.inspect(caller, read_);
    }
    if (space_) walk(frames);
    return frames;
  }

  const ModuleMap& modules() const { return modules_; }

 private:
  bool is_code(uint64_t address) const {
    const MapEntry* entry = modules_.entry_at(address);
    return entry && entry->executable;
  }

  void walk(std::vector<RawFrame>& frames) {
    unw_cursor_t cursor;
    if (unw_init_remote(&cursor, space_, this) != 0) return;
    bool interrupted = unw_is_signal_frame(&cursor) > 0;
    bool after_guess = false;
    bool keeps_frame_pointer = false;  // then the end of the chain is the end of the stack
    while (frames.size() < kMaxFrames) {
      ThreadRegisters here = registers_;
      no_table_ = false;
      if (!save_registers(cursor, here)) return;
      frames.back().kept = {here.gpr[protocol::kRbx], here.gpr[protocol::kRbp], here.gpr[protocol::kR12],
                            here.gpr[protocol::kR13], here.gpr[protocol::kR14], here.gpr[protocol::kR15]};
      int step = unw_step(&cursor);
      unw_word_t pc = 0, stack_pointer = 0;
      bool good = step > 0 && unw_get_reg(&cursor, UNW_X86_64_RIP, &pc) == 0 &&
                  unw_get_reg(&cursor, UNW_X86_64_RSP, &stack_pointer) == 0;
      // The stack pointer of a caller lies above its callee's; only a signal frame may stand on another stack.
      good = good && (stack_pointer > frames.back().stack_pointer || interrupted) && is_code(pc);
      // Without a table libunwind has tried the frame pointer, which the code may use for something else.
      if (good && no_table_ && !interrupted) {
        good = call_site(pc).kind != CallSite::Kind::kNone;
        keeps_frame_pointer |= good;
      }
      bool guessed = !good;
      if (!good) {
        // After a guess the callee-saved registers may be wrong, so that tables lead nowhere.
        bool may_guess = !keeps_frame_pointer && (no_table_ || (after_guess && step != 0));
        if (!may_guess || !guess_caller(here, frames.back(), pc, stack_pointer)) return;
        after_guess = true;
        registers_ = here;
        registers_.pc = pc - 1;  // within the call: the rules there are those of the return address
        registers_.gpr[protocol::kRsp] = stack_pointer;
        if (unw_init_remote(&cursor, space_, this) != 0) return;
      }
      modules_.inspect(pc, read_);
      bool signal_frame = !guessed && unw_is_signal_frame(&cursor) > 0;
      // A caller is looked up by its call, which may be the last instruction of its function; the frame that a signal
      // interrupted and the kernel's return trampoline are where they say.
      frames.push_back({pc, interrupted || signal_frame ? pc : pc - 1, stack_pointer, guessed, {}});
      interrupted = signal_frame;
    }
  }

  // What a caller may still need when the walk starts anew from it.
  static bool save_registers(unw_cursor_t& cursor, ThreadRegisters& registers) {
    static constexpr struct {
      int number;
      protocol::GprIndex index;
    } kKept[] = {{UNW_X86_64_RSP, protocol::kRsp}, {UNW_X86_64_RBP, protocol::kRbp}, {UNW_X86_64_RBX, protocol::kRbx},
                 {UNW_X86_64_R12, protocol::kR12}, {UNW_X86_64_R13, protocol::kR13}, {UNW_X86_64_R14, protocol::kR14},
                 {UNW_X86_64_R15, protocol::kR15}};
    for (const auto& kept : kKept) {
      unw_word_t value = 0;
      if (unw_get_reg(&cursor, kept.number, &value) == 0) registers.gpr[kept.index] = value;
    }
    unw_word_t pc = 0;
    if (unw_get_reg(&cursor, UNW_X86_64_RIP, &pc) != 0) return false;
    registers.pc = pc;
    return true;
  }

  CallSite call_site(uint64_t return_address) {
    uint8_t before[7];
    if (!is_code(return_address) || !memory_.read(return_address - sizeof before, before, sizeof before)) return {};
    return call_before(before, return_address);
  }

  // For code without tables and frame pointers: the nearest word on the stack that a call can have pushed, and, for a
  // direct call, one to a place not far below the pc.
  bool guess_caller(const ThreadRegisters& here, const RawFrame& frame, unw_word_t& pc, unw_word_t& stack_pointer) {
    constexpr unsigned kMaxWords = 512;
    constexpr uint64_t kMaxFunctionSize = 1 << 20;
    const Module* module = modules_.module_at(here.pc);
    if (module && module->image && module->image->is_go) return false;
    uint64_t slot = here.gpr[protocol::kRsp];
    for (unsigned i = 0; i < kMaxWords; i++, slot += 8) {
      uint64_t word = 0;
      if (!memory_.read(slot, &word, sizeof word)) return false;
      CallSite site = call_site(word);
      if (site.kind == CallSite::Kind::kNone) continue;
      if (site.kind == CallSite::Kind::kDirect &&
          (site.target > frame.pc || frame.pc - site.target > kMaxFunctionSize)) {
        continue;
      }
      pc = word;
      stack_pointer = slot + 8;
      return true;
    }
    return false;
  }

  static Implementation& self(void* argument) { return *static_cast<Implementation*>(argument); }

  static int access_memory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* argument) {
    Implementation& me = self(argument);
    if (write || ++me.accesses_ > kMaxAccesses) return -UNW_EINVAL;
    return me.memory_.read(address, value, sizeof *value) ? 0 : -UNW_EINVAL;
  }

  static int access_register(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write, void* argument) {
    // Indexed by libunwind's numbers, which are DWARF's (System V ABI, AMD64 supplement, figure 3.36).
    static constexpr uint8_t kGprOfDwarf[16] = {protocol::kRax, protocol::kRdx, protocol::kRcx, protocol::kRbx,
                                                protocol::kRsi, protocol::kRdi, protocol::kRbp, protocol::kRsp,
                                                protocol::kR8,  protocol::kR9,  protocol::kR10, protocol::kR11,
                                                protocol::kR12, protocol::kR13, protocol::kR14, protocol::kR15};
    const ThreadRegisters& registers = self(argument).registers_;
    if (write) return -UNW_EREADONLYREG;
    if (number >= 0 && number < 16) {
      *value = registers.gpr[kGprOfDwarf[number]];
    } else if (number == UNW_X86_64_RIP) {
      *value = registers.pc;
    } else {
      return -UNW_EBADREG;
    }
    return 0;
  }

  static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t* info, int need_unwind_info,
                            void* argument) {
    int result = self(argument).search_table(space, ip, info, need_unwind_info);
    if (result < 0) self(argument).no_table_ = true;
    return result;
  }

  int search_table(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t* info, int need_unwind_info) {
    const Module* module = modules_.inspect(ip, read_);
    if (!module || !module->image || module->image->eh_frame_header == 0) return -UNW_ENOINFO;
    uint64_t header = module->image->eh_frame_header;
    uint8_t head[4];
    if (!memory_.read(header, head, sizeof head) || head[0] != 1 || head[1] == kEncodingOmitted ||
        head[2] == kEncodingOmitted || head[3] != kTableEncoding) {
      return -UNW_ENOINFO;
    }
    size_t pointer_size = encoded_size(head[1]), count_size = encoded_size(head[2]);
    uint64_t count = 0;
    if (pointer_size == 0 || count_size == 0 || !memory_.read(header + 4 + pointer_size, &count, count_size)) {
      return -UNW_ENOINFO;
    }
    uint64_t table_offset = 4 + pointer_size + count_size;
    if (count == 0 || count > (1u << 24) || table_offset + count * 8 > module->image->eh_frame_header_size) {
      return -UNW_ENOINFO;
    }
    unw_dyn_info_t table{};
    table.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    table.start_ip = module->start;
    table.end_ip = std::max(module->end, module->image->end);
    table.u.rti.segbase = header;
    table.u.rti.table_data = header + table_offset;
    table.u.rti.table_len = count * 8 / sizeof(unw_word_t);
    return UNW_OBJ(dwarf_search_unwind_table)(space, ip, &table, info, need_unwind_info, this);
  }

  ProcessMemory memory_;
  ReadBytes read_;
  ModuleMap modules_;
  ThreadRegisters registers_;
  unsigned accesses_ = 0;
  bool no_table_ = false;  // the last step found no unwind information for its pc
  unw_addr_space_t space_ = nullptr;
};

RemoteUnwinder::RemoteUnwinder(pid_t pid) : implementation_(std::make_unique<Implementation>(pid)) {}
RemoteUnwinder::~RemoteUnwinder() = default;

std::vector<RawFrame> RemoteUnwinder::unwind(const ThreadRegisters& registers) {
  return implementation_->unwind(registers);
}

const ModuleMap& RemoteUnwinder::modules() const {
  return implementation_->modules();
}

}  // namespace vsup::supervisor
