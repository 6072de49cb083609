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

constexpr uint64_t kMostReferences = uint64_t{1} << 40;
constexpr uint64_t kPrevFlags = 3;  // in the link to the object before

constexpr uint64_t kImmortal = 0xffff'ffff;

constexpr size_t kMaxTypes = size_t{1} << 18;

}  // namespace

bool PythonObjects::keeps(const Block& block, uint64_t pointer) {
  if (block.start % kWord != 0) return false;
  const uint64_t offset = pointer - block.start;
  if (is_values(block, pointer + (pointer & 1))) return true;
  return (offset == kGcHead || offset == kGcHead + kPreHeader) && offset + kGcHead <= block.size &&
         is_object(pointer, offset);
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
  // None: it is on a free list. What is no object mostly has an address there.
  if (page_.word(address) > kMostReferences) return false;
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
  const TypeFacts facts = read_type(type);
  return types_[type] = facts.readable && is_metatype(facts.type) ? facts.flags | kIsType : 0;
}

// A type's type is one of types. The flag that a type is ready is taken from it when the interpreter ends. What is
// asked for is mostly no type at all but an object, whose type is known not to be one of types.
bool PythonObjects::is_metatype(uint64_t type) {
  if (type < kPageSize || type >= kAddressEnd || type % kWord != 0) return false;
  const auto known = metatypes_.find(type);
  if (known != metatypes_.end()) return known->second;
  if (metatypes_.size() >= kMaxTypes) metatypes_.clear();
  const TypeFacts facts = read_type(type);
  return metatypes_[type] = facts.readable && (facts.flags & kTypeSubclass) != 0;
}

PythonObjects::TypeFacts PythonObjects::read_type(uint64_t type) const {
  uint64_t words[kTpFlags / kWord + 1];
  if (read_(type, words, sizeof words) != sizeof words) return {};
  return {true, words[kObType / kWord], words[kTpFlags / kWord]};
}

}  // namespace vsup::supervisor::leaks
