// Source of the offsets: the structures of CPython 3.8.18, 3.9.18, 3.10.13, 3.11.7 and 3.12.1 as their headers in
// Include/ and Include/internal/ give them to a compiler on x86-64; 3.13 describes itself in _Py_DebugOffsets
// (Include/internal/pycore_runtime.h of 3.13.0).
#include "supervisor/symbols/python_layout.h"

#include <cstddef>
#include <cstring>

#include "supervisor/symbols/elf_symbols.h"

namespace vsup::supervisor {

namespace {

using protocol::PythonLayout;

constexpr uint64_t kMaxOffset = 1 << 20;

PythonLayout frame_objects(uint32_t lasti, uint32_t unit, protocol::PythonLineTable table) {
  PythonLayout layout{};
  layout.frames = protocol::kPythonFrameObjects;
  layout.line_table = table;
  layout.interpreters_head = 32;
  layout.interpreter_next = 0;
  layout.interpreter_threads = 8;
  layout.thread_previous = 0;
  layout.thread_next = 8;
  layout.thread_id = 176;
  layout.thread_frame = 24;
  layout.frame_back = 24;
  layout.frame_code = 32;
  layout.frame_instruction = lasti;
  layout.lasti_unit = unit;
  layout.code_first_line = 40;
  layout.code_file = 104;
  layout.code_name = 112;
  layout.code_table = 120;
  layout.ascii_size = 48;
  layout.compact_size = 72;
  return layout;
}

PythonLayout version_3_11() {
  PythonLayout layout{};
  layout.frames = protocol::kPythonCframes;
  layout.line_table = protocol::kPythonLocations;
  layout.interpreters_head = 40;
  layout.interpreter_next = 0;
  layout.interpreter_threads = 16;
  layout.thread_previous = 0;
  layout.thread_next = 8;
  layout.thread_id = 152;
  layout.thread_frame = 56;
  layout.cframe_frame = 8;
  layout.cframe_previous = 16;
  layout.frame_back = 48;
  layout.frame_code = 32;
  layout.frame_instruction = 56;
  layout.frame_entry = 68;
  layout.entry_value = 1;  // is_entry
  layout.entry_is_frame = 1;
  layout.code_first_line = 72;
  layout.code_file = 112;
  layout.code_name = 128;  // co_qualname
  layout.code_table = 136;
  layout.code_instructions = 184;
  layout.ascii_size = 48;
  layout.compact_size = 72;
  return layout;
}

PythonLayout version_3_12() {
  PythonLayout layout = version_3_11();
  layout.interpreter_threads = 72;
  layout.thread_id = 136;
  layout.cframe_frame = 0;
  layout.cframe_previous = 8;
  layout.frame_back = 8;
  layout.frame_code = 0;
  layout.frame_entry = 70;
  layout.entry_value = 3;  // owner FRAME_OWNED_BY_CSTACK
  layout.entry_is_frame = 0;
  layout.code_first_line = 68;
  layout.code_instructions = 192;
  layout.ascii_size = 40;
  layout.compact_size = 56;
  return layout;
}

// _Py_DebugOffsets of 3.13, as words.
enum DebugOffset : size_t {
  kCookie = 0,
  kHexVersion = 1,
  kFreeThreaded = 2,
  kInterpretersHead = 5,
  kInterpreterNext = 8,
  kThreadsHead = 9,
  kThreadPrevious = 20,
  kThreadNext = 21,
  kCurrentFrame = 23,
  kThreadId = 24,
  kFrameBack = 29,
  kFrameExecutable = 30,
  kFrameInstruction = 31,
  kFrameOwner = 33,
  kCodeFile = 35,
  kCodeQualifiedName = 37,
  kCodeTable = 38,
  kCodeFirstLine = 39,
  kCodeInstructions = 43,
  kObjectType = 45,
  kBytesSize = 65,
  kBytesData = 66,
  kUnicodeState = 68,
  kUnicodeLength = 69,
  kAsciiSize = 70,
  kDebugOffsetCount = 73,
};
static_assert(kDebugOffsetCount * 8 == 584);

std::optional<PythonLayout> version_3_13(uint64_t runtime, const ReadBytes& read_memory, std::string& refusal) {
  uint64_t words[kDebugOffsetCount] = {};
  if (!read_memory(runtime, words, sizeof words) || std::memcmp(words, "xdebugpy", 8) != 0) {
    refusal = "its _Py_DebugOffsets cannot be read";
    return std::nullopt;
  }
  if (words[kFreeThreaded] != 0) {
    refusal = "it is a free-threaded build";
    return std::nullopt;
  }
  PythonLayout layout = version_3_12();
  layout.frames = protocol::kPythonCurrentFrame;
  const struct {
    uint32_t& member;
    DebugOffset offset;
  } members[] = {{layout.interpreter_next, kInterpreterNext},
                 {layout.interpreter_threads, kThreadsHead},
                 {layout.thread_previous, kThreadPrevious},
                 {layout.thread_next, kThreadNext},
                 {layout.thread_id, kThreadId},
                 {layout.thread_frame, kCurrentFrame},
                 {layout.frame_back, kFrameBack},
                 {layout.frame_code, kFrameExecutable},
                 {layout.frame_instruction, kFrameInstruction},
                 {layout.frame_entry, kFrameOwner},
                 {layout.code_file, kCodeFile},
                 {layout.code_name, kCodeQualifiedName},
                 {layout.code_table, kCodeTable},
                 {layout.code_first_line, kCodeFirstLine},
                 {layout.code_instructions, kCodeInstructions},
                 {layout.ascii_size, kAsciiSize}};
  bool plausible = words[kInterpretersHead] < kMaxOffset && words[kObjectType] == 8 && words[kBytesSize] == 16 &&
                   words[kBytesData] == 32 && words[kUnicodeState] == 32 && words[kUnicodeLength] == 16;
  for (const auto& [member, offset] : members) {
    plausible = plausible && words[offset] < kMaxOffset;
    member = static_cast<uint32_t>(words[offset]);
  }
  layout.interpreters_head = words[kInterpretersHead];
  layout.compact_size = layout.ascii_size + 16;
  if (!plausible) {
    refusal = "its _Py_DebugOffsets are not those of 3.13";
    return std::nullopt;
  }
  return layout;
}

std::optional<PythonLayout> layout_of(unsigned minor, uint64_t runtime, const ReadBytes& read_memory,
                                      std::string& refusal) {
  switch (minor) {
    case 8:
    case 9:
      return frame_objects(104, 1, protocol::kPythonLnotab);
    case 10:
      return frame_objects(96, 2, protocol::kPythonLinetable);
    case 11:
      return version_3_11();
    case 12:
      return version_3_12();
    case 13:
      return version_3_13(runtime, read_memory, refusal);
    default:
      refusal = "its version is none of 3.8 to 3.13";
      return std::nullopt;
  }
}

}  // namespace

std::optional<PythonFound> find_python(const ElfFile& file, uint64_t bias, const ReadBytes& read_memory) {
  const auto symbols =
      find_symbols(file, {"_PyRuntime", "PyCode_Type", "_PyEval_EvalFrameDefault", "_PyEval_EvalFrameDefault.cold",
                          "Py_Version", "PyCode_NewWithPosOnlyArgs", "PyFrame_GetCode", "Py_Is", "PyObject_Malloc",
                          "PyMem_Malloc", "PyObject_GetArenaAllocator"});
  const auto address_of = [&symbols, bias](std::string_view name) {
    const auto symbol = symbols.find(name);
    return symbol == symbols.end() ? 0 : bias + symbol->second.value;
  };
  const auto type = symbols.find("PyCode_Type"), loop = symbols.find("_PyEval_EvalFrameDefault");
  if (loop == symbols.end() || type == symbols.end()) return std::nullopt;
  PythonFound found;
  found.runtime = address_of("_PyRuntime");
  found.object_malloc = address_of("PyObject_Malloc");
  found.memory_malloc = address_of("PyMem_Malloc");
  found.arena_allocator = address_of("PyObject_GetArenaAllocator");
  const auto version = symbols.find("Py_Version");
  uint32_t hex = 0;
  if (version != symbols.end()) {  // 3.11 has it first: PY_VERSION_HEX
    if (read_memory(bias + version->second.value, &hex, sizeof hex) && hex >> 24 == 3) found.minor = (hex >> 16) & 0xff;
  } else if (symbols.contains("PyCode_NewWithPosOnlyArgs")) {  // 3.8; PyFrame_GetCode came with 3.9, Py_Is with 3.10
    found.minor = symbols.contains("Py_Is") ? 10 : symbols.contains("PyFrame_GetCode") ? 9 : 8;
  }
  if (found.runtime == 0) {
    found.refusal = "it has no _PyRuntime";
    return found;
  }
  found.layout = layout_of(found.minor, found.runtime, read_memory, found.refusal);
  if (!found.layout) return found;
  found.layout->interpreters_head += found.runtime;
  found.layout->code_type = bias + type->second.value;
  found.layout->loop_start[0] = bias + loop->second.value;
  found.layout->loop_end[0] = bias + loop->second.value + loop->second.size;
  if (const auto cold = symbols.find("_PyEval_EvalFrameDefault.cold"); cold != symbols.end()) {
    found.layout->loop_start[1] = bias + cold->second.value;
    found.layout->loop_end[1] = bias + cold->second.value + cold->second.size;
  }
  return found;
}

}  // namespace vsup::supervisor
