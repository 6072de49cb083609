// Purpose: what the agent's stack capture and the supervisor share in the tracee's memory: unwind rules going in,
// the stack depot coming out.
// Assumes: both sides built from one tree. Promises: plain structures at fixed addresses in the agent arena. It is
// ordinary private memory of the tracee: a fork copies it, and it can be read until the address space is gone.
//
//   kCallstackBase  +0x0000'0000  CallstackControl                                    (one page)
//                   +0x0010'0000  two module directories, one of them in use          (2 x 1 MiB)
//                   +0x0030'0000  rule cache: 8,192 rules by pc                       (128 KiB)
//                   +0x0040'0000  stack cache: 262,144 stacks by hash                 (1 MiB)
//                   +0x0060'0000  Python code buckets: 65,536 heads                   (256 KiB)
//                   +0x0070'0000  Python thread states by thread: 1,024               (16 KiB)
//                   +0x0080'0000  Python code buckets: how many of their objects live  (128 KiB)
//                   +0x0200'0000  depot buckets: 4,194,304 heads of chains of nodes   (16 MiB)
//                   +0x0400'0000  as many for nodes whose parents have many           (16 MiB)
//                   +0x1000'0000  rows of the modules' unwind tables                  (768 MiB)
//                   +0x4000'0000  depot nodes                                         (1 GiB)
//                   +0x8000'0000  Python code records                                 (1.75 GiB)
//                   +0xf000'0000  stack to answer with, by walked stack: an id a node (256 MiB)
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::protocol {

// How the CFA, the value of rsp in the caller, is found. Register numbers are DWARF's: 6 rbp, 7 rsp, 10 r10.
enum CfaForm : uint8_t {
  kCfaRegister = 0,           // + register: register + cfa_offset
  kCfaDereference = 16,       // + register: the word at register + cfa_offset (functions that realign their stack)
  kCfaDereferencePlus8 = 32,  // + register: that word + 8 (OpenSSL's assembly, which keeps its entry rsp in memory)
  kCfaPlt = 48,               // lazy PLT stub: rsp + 8, and 8 more when (pc & 15) >= cfa_offset
  kCfaSignalFrame = 49,       // rt_sigreturn's frame: pc, rsp, rbp at rsp + 168, + 160, + 120
  kCfaEnd = 50,               // the outermost frame: no caller
  kCfaUnsupported = 51,       // some other expression or rule
  kCfaNone = 52,              // no call frame information covers this
};

enum RbpForm : uint8_t {
  kRbpSame = 0,     // still the caller's
  kRbpAtCfa = 1,    // saved at CFA + 8 * rbp_offset
  kRbpAtRbp = 2,    // saved at rbp + 8 * rbp_offset (functions that realign their stack)
  kRbpUnknown = 3,  // lost, or described by some other rule
};

// How to leave a frame whose pc is at or above `start` and below the next row's.
struct UnwindRow {
  uint32_t start = 0;  // from UnwindTable::base, UnwindModule::base
  int32_t cfa_offset = 0;
  int16_t rbp_offset = 0;     // in words of 8 bytes
  int8_t return_offset = -1;  // from the CFA, in words of 8 bytes
  uint8_t forms = 0;          // CfaForm in bits 0-5, RbpForm in bits 6-7

  uint8_t cfa_form() const { return forms & 0x3f; }
  uint8_t rbp_form() const { return forms >> 6; }
  bool same_rule(const UnwindRow& other) const {
    return cfa_offset == other.cfa_offset && rbp_offset == other.rbp_offset && return_offset == other.return_offset &&
           forms == other.forms;
  }
};
static_assert(sizeof(UnwindRow) == 12);

inline constexpr uint64_t kDirectoryBase[2] = {kCallstackBase + 0x10'0000, kCallstackBase + 0x20'0000};
inline constexpr uint64_t kRuleCacheBase = kCallstackBase + 0x30'0000;
inline constexpr unsigned kRuleCacheBits = 13;
inline constexpr uint64_t kStackCacheBase = kCallstackBase + 0x40'0000;
inline constexpr unsigned kStackCacheBits = 18;
inline constexpr uint64_t kDepotBucketsBase = kCallstackBase + 0x200'0000;
inline constexpr uint64_t kDepotFarBucketsBase = kCallstackBase + 0x400'0000;
inline constexpr unsigned kDepotBucketBits = 22;
inline constexpr uint64_t kPythonBucketsBase = kCallstackBase + 0x60'0000;
inline constexpr unsigned kPythonBucketBits = 16;
inline constexpr uint64_t kPythonLivesBase = kCallstackBase + 0x80'0000;
inline constexpr uint64_t kPythonThreadsBase = kCallstackBase + 0x70'0000;
inline constexpr unsigned kPythonThreadBits = 10;
inline constexpr uint64_t kRowsBase = kCallstackBase + 0x1000'0000;
inline constexpr uint64_t kRowsSize = 0x3000'0000;
inline constexpr uint64_t kDepotBase = kCallstackBase + 0x4000'0000;
inline constexpr uint32_t kMaxDepotNodes = 1u << 26;
inline constexpr uint64_t kPythonRecordsBase = kCallstackBase + 0x8000'0000;
inline constexpr uint64_t kPythonRecordsSize = 0x7000'0000;
inline constexpr uint64_t kWalkedStacksBase = kPythonRecordsBase + kPythonRecordsSize;
static_assert(kWalkedStacksBase + kMaxDepotNodes * sizeof(uint32_t) == kCallstackBase + kCallstackSize);

// Code of one module in the process.
struct UnwindModule {
  uint64_t start, end;  // of its code in the process
  uint64_t base;        // address in the process that row starts count from
  uint64_t rows;        // address of its UnwindRows
  uint64_t row_count;
};

// Never changed while it is the one in use.
struct UnwindDirectory {
  uint64_t generation;  // counts directories, from 1
  uint64_t epoch;       // counts those, from 1, that have not all of the one before: what was found may be wrong
  uint64_t count;
  UnwindModule modules[1];  // `count` of them, sorted, disjoint
};
inline constexpr uint64_t kMaxUnwindModules = 26000;
static_assert(24 + kMaxUnwindModules * sizeof(UnwindModule) <= 0x10'0000);

// What the agent does about Python.
enum PythonStacks : uint32_t {
  kPythonStacksNo = 0,
  kPythonStacksYes = 1,   // frames of Python functions in place of the C frames of the loop that executes them
  kPythonStacksOnly = 2,  // these alone, where a thread has any
};

// How a CPython keeps its frames.
enum PythonFrames : uint32_t {
  kPythonFrameObjects = 0,  // 3.8 to 3.10: a PyFrameObject for each call of the loop
  kPythonCframes = 1,       // 3.11, 3.12: _PyInterpreterFrames, several in a call of the loop, which has a _PyCFrame
  kPythonCurrentFrame = 2,  // 3.13: the same without _PyCFrame
};

// How a code object tells the lines of its instructions.
enum PythonLineTable : uint32_t { kPythonLnotab = 0, kPythonLinetable = 1, kPythonLocations = 2 };  // 3.8, 3.10, 3.11

// Offsets of members in bytes, by the names that CPython's headers give them.
struct PythonLayout {
  uint64_t interpreters_head;           // address of _PyRuntime.interpreters.head
  uint64_t code_type;                   // address of PyCode_Type
  uint64_t code_start, code_end;        // the interpreter's code in the process
  uint64_t loop_start[2], loop_end[2];  // in it, _PyEval_EvalFrameDefault and the part of it that seldom runs
  PythonStacks stacks;
  PythonFrames frames;
  PythonLineTable line_table;
  uint32_t interpreter_next, interpreter_threads;
  uint32_t thread_previous, thread_next, thread_id;
  uint32_t thread_frame;  // PyThreadState.frame, cframe or current_frame
  uint32_t cframe_frame, cframe_previous;
  uint32_t frame_back, frame_code, frame_instruction;  // f_lasti, or a pointer into the code
  uint32_t lasti_unit;                                 // bytes that f_lasti counts in
  uint32_t frame_entry;                                // a byte that says where the frames of one call of the loop end:
  uint8_t entry_value;                                 // it is this in the last one,
  uint8_t entry_is_frame;                              // which is a Python function's (1) or only a mark (0)
  uint32_t code_first_line, code_file, code_name, code_table, code_instructions;
  uint32_t ascii_size, compact_size;  // of the string headers before the characters
};

struct CallstackControl {
  // Written by the supervisor, each by one store.
  uint64_t directory;     // address of the UnwindDirectory in use, 0: none yet
  uint64_t python_ready;  // 1: `python` is complete, and is not changed any more
  PythonLayout python;
  // Which time it is, from 1, that the ends of Python's code objects are told of: while their allocators are hooked.
  // Begun by the agent; the next ones by the supervisor, which alone takes hooks away for a while. 0: they are not.
  uint64_t code_period;

  // Written by the agent.
  uint64_t node_count;      // depot nodes handed out; node 0 is the root
  uint64_t lost_walks;      // stacks that end at code without unwind information
  uint64_t guessed_walks;   // stacks with a frame found by frame pointer, in code without unwind information
  uint64_t full;            // stacks cut because the depot is full
  uint64_t python_bytes;    // of the Python code records, in use
  uint64_t walked_depth;    // frames that count of a stack, from the inside: further out it may be another's; 0: all
  uint64_t code_ends;       // of code objects that stacks had passed through, as far as they were told of
  uint64_t python_misfits;  // Python frames left out because they did not look like those of this version
};
static_assert(sizeof(CallstackControl) <= 4096);

// A stack is a node: its frame, then its parent's, to the root. What calls comes from the same place share nodes.
struct StackNode {
  uint64_t frame;   // StackFrame; 0 for the root
  uint32_t parent;  // a smaller index
  uint32_t next;    // agent private: next node of its bucket
};
static_assert(sizeof(StackNode) == 16);

// A frame in the depot: the kind in bits 60-63, the rest depends on it.
enum StackFrameKind : uint64_t {
  kFrameReturn = 0,   // a return address: the call lies before it
  kFrameExact = 1,    // an address about to be executed: a signal came there
  kFrameGuessed = 2,  // a return address found by frame pointer behind code without unwind information
  kFramePython = 3,   // index of a PythonCode << 32 | offset of the instruction in its bytecode
  kFrameNone = 4,     // no frame: a root of stacks that may have more frames than count
};

// A code object, copied when it was first seen: it may die. An object at the same address that differs in any of
// the first six members is another.
struct PythonCode {
  uint64_t address;
  uint64_t name, file, table;  // addresses of its strings and its line table
  uint64_t print;              // of name's hash and table's beginning
  uint32_t first_line;
  uint32_t table_size;  // bytes
  uint32_t next;        // agent private: index of the next in its bucket
  // Characters and how many bytes each has: 1 (Latin-1), 2 or 4.
  uint32_t name_length, file_length;
  uint8_t name_kind, file_kind;
  uint16_t period;  // agent private: CallstackControl::code_period in which it was met, 0 when it has ended
  // Then name, file and table, each filled up to a multiple of 8 bytes.
};
inline constexpr uint64_t kPythonCodeAlignment = 16;  // an index counts these from kPythonRecordsBase; 0 is none
inline constexpr uint32_t kMaxPythonNameLength = 1024, kMaxPythonFileLength = 4096, kMaxPythonTable = 1 << 20;
inline constexpr unsigned kFrameKindShift = 60;
inline constexpr uint64_t kFrameValueMask = (1ull << kFrameKindShift) - 1;

// Frames in one captured stack.
inline constexpr unsigned kMaxStackDepth = 512;

}  // namespace vsup::protocol
