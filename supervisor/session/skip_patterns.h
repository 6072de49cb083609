// Purpose: Valgrind's --trace-children-skip matching: `*` any string (slashes too), `?` one character.
// Promises: pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vsup::supervisor {

bool matches_pattern(std::string_view pattern, std::string_view text);

// Whether an exec of `executable` (any of its names) with `arguments` (argv, [0] is not looked at) is to be skipped.
// Returns the pattern that says so, else an empty string.
std::string find_skip_pattern(const std::vector<std::string>& patterns, const std::vector<std::string>& by_argument,
                              const std::vector<std::string>& executables, const std::vector<std::string>& arguments);

}  // namespace vsup::supervisor
