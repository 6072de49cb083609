// Purpose: libdwfl's search for separate debug files, made cheaper: the file found is a copy of what is needed of it
// (symbol_copy.h), and where there is none on this machine and no server is named by DEBUGINFOD_URLS, libdwfl does not
// load its client for such servers, a library that brings 25 others along.
// Source: elfutils 0.188, libdwfl/find-debuginfo.c; its places as strace shows them.
#pragma once

#include <elfutils/libdwfl.h>

namespace vsup::supervisor {

// A Dwfl_Callbacks::find_debuginfo.
int find_debug_file(Dwfl_Module* module, void** user, const char* module_name, Dwarf_Addr base, const char* file_name,
                    const char* debug_link, GElf_Word link_crc, char** debug_name);

}  // namespace vsup::supervisor
