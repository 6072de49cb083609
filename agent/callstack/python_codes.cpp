// Source of the object layouts: Include/cpython/unicodeobject.h and bytesobject.h of CPython 3.8 to 3.13, 64-bit:
// ob_type 8; PyASCIIObject: length 16, hash 24, state 32; PyBytesObject: ob_size 16, ob_sval 32.
#include "agent/callstack/python_codes.h"

#include "agent/base/safe_load.h"

namespace vsup::agent {

namespace {

using namespace protocol;

constexpr uint64_t kSpread = 0x9e37'79b9'7f4a'7c15;

struct Text {
  uint64_t characters = 0;  // address
  uint32_t length = 0;
  uint8_t kind = 0;
  uint64_t bytes() const { return uint64_t{length} * kind; }
};

CallstackControl& control() {
  return *reinterpret_cast<CallstackControl*>(kCallstackBase);
}

PythonCode& record(uint32_t index) {
  return *reinterpret_cast<PythonCode*>(kPythonRecordsBase + index * kPythonCodeAlignment);
}

uint64_t padded(uint64_t bytes) {
  return (bytes + 7) & ~uint64_t{7};
}

// Of the word around it.
uint32_t half_of(uint64_t word, uint64_t address) {
  return static_cast<uint32_t>(word >> (address & 4) * 8);
}

bool read_u32(uint64_t address, uint32_t& value) {
  uint64_t word;
  if (!safe_load(address & ~uint64_t{7}, word)) return false;
  value = half_of(word, address);
  return true;
}

// state: interned 2 bits, kind 3 bits (1, 2, 4), compact, ascii.
bool read_text(const PythonLayout& layout, uint64_t string, uint32_t limit, Text& text) {
  uint64_t length;
  uint32_t state;
  if (string % 8 != 0 || !safe_load(string + 16, length) || !read_u32(string + 32, state)) return false;
  unsigned kind = (state >> 2) & 7;
  bool compact = ((state >> 5) & 1) != 0, ascii = ((state >> 6) & 1) != 0;
  if (!compact || (kind != 1 && kind != 2 && kind != 4) || (ascii && kind != 1)) return false;
  text.characters = string + (ascii ? layout.ascii_size : layout.compact_size);
  text.length = static_cast<uint32_t>(length < limit ? length : limit);
  text.kind = static_cast<uint8_t>(kind);
  return true;
}

// Whole words, of which the last may hold something else behind the end. Objects begin at multiples of 8.
bool copy(uint64_t to, uint64_t from, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += 8) {
    uint64_t word;
    if (!safe_load(from + at, word)) return false;
    *reinterpret_cast<uint64_t*>(to + at) = word;
  }
  return true;
}

// What identifies it, `next` and the texts left out.
bool read_identity(const PythonLayout& layout, uint64_t code, PythonCode& found, ReadLog& log) {
  uint64_t hash, size, beginning, line;
  found.address = code;
  if (!log.load(code + layout.code_name, found.name) || !log.load(code + layout.code_file, found.file) ||
      !log.load(code + layout.code_table, found.table) ||
      !log.load((code + layout.code_first_line) & ~uint64_t{7}, line) || !log.load(found.name + 24, hash) ||
      !log.load(found.table + 16, size) || !log.load(found.table + 32, beginning))
    return false;
  found.first_line = half_of(line, code + layout.code_first_line);
  found.print = (hash ^ beginning) * kSpread ^ size;
  found.table_size = size <= kMaxPythonTable ? static_cast<uint32_t>(size) : 0;
  return true;
}

bool same(const PythonCode& a, const PythonCode& b) {
  return a.address == b.address && a.name == b.name && a.file == b.file && a.table == b.table && a.print == b.print &&
         a.first_line == b.first_line;
}

uint64_t bucket_of(uint64_t code) {
  return (code * kSpread) >> (64 - kPythonBucketBits);
}

// How many records of the bucket are of objects that live.
uint16_t& lives_of(uint64_t code) {
  return reinterpret_cast<uint16_t*>(kPythonLivesBase)[bucket_of(code)];
}

uint16_t period() {
  return static_cast<uint16_t>(__atomic_load_n(&control().code_period, __ATOMIC_ACQUIRE));
}

// Of the object at this address, met in this period and not ended since.
uint32_t find_living(uint32_t index, uint64_t code, uint16_t now) {
  for (; index != 0; index = record(index).next) {
    if (record(index).address == code && __atomic_load_n(&record(index).period, __ATOMIC_RELAXED) == now) return index;
  }
  return 0;
}

uint32_t find(uint32_t index, uint32_t end, const PythonCode& wanted) {
  while (index != end && !same(record(index), wanted)) index = record(index).next;
  return index == end ? 0 : index;
}

uint32_t allocate(uint64_t bytes) {
  bytes = (bytes + kPythonCodeAlignment - 1) & ~(kPythonCodeAlignment - 1);
  uint64_t& used = control().python_bytes;
  if (__atomic_load_n(&used, __ATOMIC_RELAXED) + bytes > kPythonRecordsSize - (1 << 24)) return 0;
  uint64_t at = __atomic_fetch_add(&used, bytes, __ATOMIC_RELAXED);
  if (at == 0) at = __atomic_fetch_add(&used, bytes, __ATOMIC_RELAXED);  // 0 is none
  return at + bytes <= kPythonRecordsSize ? static_cast<uint32_t>(at / kPythonCodeAlignment) : 0;
}

// 0 when it is no code object after all, or there is no room.
uint32_t make_record(const PythonLayout& layout, const PythonCode& identity) {
  uint64_t type;
  Text name, file;
  if (!safe_load(identity.address + 8, type) || type != layout.code_type ||
      !read_text(layout, identity.name, kMaxPythonNameLength, name) ||
      !read_text(layout, identity.file, kMaxPythonFileLength, file))
    return 0;
  uint64_t texts = padded(name.bytes()) + padded(file.bytes());
  uint32_t index = allocate(sizeof(PythonCode) + texts + padded(identity.table_size));
  if (index == 0) return 0;
  PythonCode& made = record(index);
  made = identity;
  made.name_length = name.length;
  made.file_length = file.length;
  made.name_kind = name.kind;
  made.file_kind = file.kind;
  auto at = reinterpret_cast<uint64_t>(&made + 1);
  if (!copy(at, name.characters, name.bytes()) || !copy(at + padded(name.bytes()), file.characters, file.bytes()) ||
      !copy(at + texts, identity.table + 32, identity.table_size))
    return 0;
  return index;
}

// The record of what is there now.
uint32_t find_or_make(const PythonLayout& layout, const PythonCode& identity, uint32_t& bucket) {
  uint32_t head = __atomic_load_n(&bucket, __ATOMIC_ACQUIRE);
  uint32_t index = find(head, 0, identity);
  if (index != 0) return index;
  index = make_record(layout, identity);
  if (index == 0) return 0;
  record(index).next = head;
  while (!__atomic_compare_exchange_n(&bucket, &head, index, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
    // Somebody else was first, perhaps with the same object; then this record stays unused.
    uint32_t other = find(head, record(index).next, identity);
    if (other != 0) return other;
    record(index).next = head;
  }
  return index;
}

}  // namespace

uint32_t python_code(const PythonLayout& layout, uint64_t code, ReadLog& log) {
  uint32_t& bucket = reinterpret_cast<uint32_t*>(kPythonBucketsBase)[bucket_of(code)];
  const uint16_t now = period();
  ReadLog none;
  if (now != 0) {
    uint32_t index = find_living(__atomic_load_n(&bucket, __ATOMIC_ACQUIRE), code, now);
    if (index != 0) return index;
  }
  PythonCode identity{};
  if (!read_identity(layout, code, identity, now != 0 ? none : log)) return 0;
  uint32_t index = find_or_make(layout, identity, bucket);
  if (index == 0 || now == 0) return index;
  // Counted before it counts as living.
  if (__atomic_load_n(&record(index).period, __ATOMIC_RELAXED) != now) {
    __atomic_fetch_add(&lives_of(code), 1, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&record(index).period, now, __ATOMIC_ACQ_REL) == now)
      __atomic_fetch_sub(&lives_of(code), 1, __ATOMIC_RELAXED);
  }
  return index;
}

void code_ends_are_told() {
  if (control().code_period == 0) __atomic_store_n(&control().code_period, 1, __ATOMIC_RELEASE);
}

void code_may_end(uint64_t address) {
  uint16_t& lives = lives_of(address);
  if (__atomic_load_n(&lives, __ATOMIC_RELAXED) == 0) return;
  const uint16_t now = period();
  uint32_t& bucket = reinterpret_cast<uint32_t*>(kPythonBucketsBase)[bucket_of(address)];
  uint32_t index = find_living(__atomic_load_n(&bucket, __ATOMIC_ACQUIRE), address, now);
  if (index == 0 || __atomic_exchange_n(&record(index).period, 0, __ATOMIC_ACQ_REL) != now) return;
  __atomic_fetch_sub(&lives, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&control().code_ends, 1, __ATOMIC_RELEASE);
}

uint64_t code_ends() {
  return __atomic_load_n(&control().code_ends, __ATOMIC_ACQUIRE) +
         (__atomic_load_n(&control().code_period, __ATOMIC_ACQUIRE) << 32);
}

}  // namespace vsup::agent
