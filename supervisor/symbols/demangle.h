// Purpose: linkage names to the names that people wrote: C++ (Itanium ABI) and Rust (both manglings).
// Assumes: nothing about the text. Promises: a name that is not mangled, or too long, comes back as it is.
#pragma once

#include <string>

namespace vsup::supervisor {

std::string demangle(const std::string& linkage_name);

}  // namespace vsup::supervisor
