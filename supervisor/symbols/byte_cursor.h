// Purpose: read numbers from untrusted bytes. Promises: never reads outside; after a failure everything reads as 0 and
// ok() is false.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vsup::supervisor {

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return !ok_ || at_ == bytes_.size(); }
  size_t position() const { return at_; }
  size_t remaining() const { return ok_ ? bytes_.size() - at_ : 0; }

  template <typename Number>
  Number fixed() {
    Number value{};
    if (remaining() < sizeof value) {
      ok_ = false;
      return 0;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  // LEB128; bits beyond the 64th are lost.
  uint64_t unsigned_leb() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      auto byte = fixed<uint8_t>();
      if (!ok_) return 0;
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) return value;
    }
  }

  int64_t signed_leb() {
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
      auto byte = fixed<uint8_t>();
      if (!ok_) return 0;
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if (byte & 0x80) continue;
      if (shift < 64 && (byte & 0x40)) value |= ~uint64_t{0} << shift;
      return static_cast<int64_t>(value);
    }
  }

  std::span<const uint8_t> take(uint64_t size) {
    if (size > remaining()) {
      ok_ = false;
      return {};
    }
    auto part = bytes_.subspan(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return part;
  }

  const char* string() {  // up to and including a NUL
    const void* end = remaining() ? std::memchr(bytes_.data() + at_, 0, remaining()) : nullptr;
    if (!end) {
      ok_ = false;
      return "";
    }
    auto* start = reinterpret_cast<const char*>(bytes_.data() + at_);
    at_ = static_cast<size_t>(static_cast<const uint8_t*>(end) - bytes_.data()) + 1;
    return start;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace vsup::supervisor
