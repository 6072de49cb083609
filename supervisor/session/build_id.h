// Purpose: the build id of an ELF file.
// Assumes: the file may be anything. Promises: reads a few kilobytes at most; an answer or an empty string.
#pragma once

#include <string>

namespace vsup::supervisor {

// Hexadecimal; empty when the file is no ELF file, has no build id or cannot be read.
std::string read_build_id(const std::string& path);

}  // namespace vsup::supervisor
