// Purpose: the text of a client request that prints: a tracee's printf, formatted from its memory.
// Source: System V ABI, AMD64, 3.5.7 (va_list: gp_offset, fp_offset, overflow_arg_area, reg_save_area).
// Assumes: format and arguments may be anything. Promises: never reads vsup's own memory by them; at most
// kLongestClientMessage bytes; a conversion that it does not know is printed as it stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace vsup::supervisor {

inline constexpr size_t kLongestClientMessage = 64 << 10;

// False when the memory cannot be read.
using ReadTracee = std::function<bool(uint64_t address, void* to, size_t size)>;

// `format` and `arguments` are addresses: of the string and of the va_list.
std::string format_client_message(const ReadTracee& read, uint64_t format, uint64_t arguments);

}  // namespace vsup::supervisor
