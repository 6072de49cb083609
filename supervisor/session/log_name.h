// Purpose: file names with %p, %n, %q{VAR} and %% in them, as Valgrind's --log-file has.
// Assumes: nothing. Promises: pure but for getenv.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace vsup::supervisor {

// Expands the pattern. On a malformed one or an unset variable returns an empty string and says why in `error`.
std::string expand_log_name(std::string_view pattern, pid_t pid, unsigned sequence, std::string& error);

// `text` made fit to be part of a file name: [A-Za-z0-9._+-] stay, all else becomes '_'; no dot in front, at most 64
// bytes, never empty.
std::string sanitize_file_name(std::string_view text);

// What follows the last slash.
std::string_view base_name(std::string_view path);

}  // namespace vsup::supervisor
