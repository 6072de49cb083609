#include "supervisor/reports/leaks/python_objects.h"

namespace vsup::supervisor::leaks {
namespace {

constexpr uint64_t kWord = 8;
constexpr uint64_t kGcHead = 2 * kWord;
constexpr uint64_t kPreHeader = 2 * kWord;  // before the header, for types that say so

// PyTypeObject.
constexpr uint64_t kObType = 8, kTpFlags = 168;
// Its flags: 1 << 3 is Py_TPFLAGS_MANAGED_WEAKREF (3.12), 1 << 4 Py_TPFLAGS_MANAGED_DICT (3.11).
constexpr uint64_t kPreHeaderFlags = 1 << 3 | 1 << 4;
constexpr uint64_t kHaveGc = 1 << 14, kTypeSubclass = uint64_t{1} << 31;

// Not a flag of Python's.
constexpr uint64_t kIsType = uint64_t{1} << 63;

constexpr uint64_t kPrevFlags = 3;  // in the link to the object before

constexpr uint64_t kImmortal = 0xffff'ffff;

constexpr size_t kMaxTypes = size_t{1} << 18;

}  // namespace

bool PythonObjects::keeps(const Block& block, uint64_t pointer) {
  if (block.start % kWord != 0) return false;
  const uint64_t offset = pointer - block.start;
  if ((offset == kGcHead || offset == kGcHead + kPreHeader) && offset + kGcHead <= block.size &&
      is_object(pointer, offset)) {
    return true;
  }
  return is_values(block, pointer + (pointer & 1));
}

bool PythonObjects::is_immortal(const Block& block) {
  if (block.start % kWord != 0) return false;
  for (const uint64_t offset : {uint64_t{0}, kGcHead, kGcHead + kPreHeader}) {
    if (offset + 2 * kWord > block.size || page_.word(block.start + offset) != kImmortal) continue;
    if (type_flags(page_.word(block.start + offset + kObType)) != 0) return true;
  }
  return false;
}

PythonObjects::Collected PythonObjects::collected(const Block& block) {
  if (block.start % kWord != 0) return Collected::kNo;
  for (const uint64_t offset : {kGcHead, kGcHead + kPreHeader}) {
    if (offset + kGcHead > block.size || !is_object(block.start + offset, offset)) continue;
    const uint64_t head = block.start + offset - kGcHead, next = page_.word(head);
    uint64_t back = 0;
    if (next != 0 && next % kWord == 0 && read_(next + kWord, &back, kWord) == kWord && (back & ~kPrevFlags) == head) {
      return head == block.start ? Collected::kAtStart : Collected::kInside;
    }
  }
  return Collected::kNo;
}

bool PythonObjects::is_object(uint64_t address, uint64_t offset) {
  const uint64_t flags = type_flags(page_.word(address + kObType));
  return (flags & kHaveGc) != 0 && ((flags & kPreHeaderFlags) != 0) == (offset > kGcHead);
}

// As many values as fill the block, and a prefix that holds a byte for each and two more, rounded up to words.
bool PythonObjects::is_values(const Block& block, uint64_t address) {
  const uint64_t offset = address - block.start;
  if (offset % kWord != 0 || offset == 0 || offset > 248 || offset >= block.size || block.size % kWord != 0) {
    return false;
  }
  const uint64_t values = (block.size - offset) / kWord;
  if ((values + 2 + kWord - 1) / kWord * kWord != offset) return false;
  const uint64_t prefix_end = page_.word(address - kWord);
  return prefix_end >> 56 == offset && (prefix_end >> 48 & 0xff) <= values;
}

uint64_t PythonObjects::type_flags(uint64_t type) {
  if (type < kPageSize || type >= kAddressEnd || type % kWord != 0) return 0;
  const auto known = types_.find(type);
  if (known != types_.end()) return known->second;
  if (types_.size() >= kMaxTypes) types_.clear();
  // A type's type is one of types. The flag that a type is ready is taken from it when the interpreter ends.
  const auto flags_of = [this](uint64_t address, uint64_t& of_type) -> uint64_t {
    uint64_t flags = 0;
    const bool readable =
        read_(address + kObType, &of_type, kWord) == kWord && read_(address + kTpFlags, &flags, kWord) == kWord;
    return readable ? flags | kIsType : 0;
  };
  uint64_t meta = 0, of_meta = 0;
  uint64_t flags = flags_of(type, meta);
  if (flags != 0 && (meta % kWord != 0 || (flags_of(meta, of_meta) & kTypeSubclass) == 0)) flags = 0;
  return types_[type] = flags;
}

}  // namespace vsup::supervisor::leaks
