// Purpose: Rust's v0 symbol names ("_R...") as paths.
// Assumes: nothing about the text. Promises: bounded time and memory; nullopt for what is no such name.
// Format: Rust RFC 2603. Crate hashes, lifetimes' numbers and the instantiating crate are left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vsup::supervisor {

std::optional<std::string> demangle_rust_v0(std::string_view name);

}  // namespace vsup::supervisor
