#include "supervisor/symbols/debug_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/unique_fd.h"
#include "supervisor/symbols/elf_file.h"
#include "supervisor/symbols/file_bytes.h"
#include "supervisor/symbols/symbol_copy.h"

namespace vsup::supervisor {
namespace {

constexpr const char* kDebugFolder = "/usr/lib/debug";

std::string build_id_of(Dwfl_Module* module) {
  const unsigned char* id = nullptr;
  GElf_Addr address = 0;
  const int size = dwfl_module_build_id(module, &id, &address);
  return size > 0 ? hexadecimal({id, static_cast<size_t>(size)}) : std::string();
}

// Where libdwfl looks: beside the file, in .debug there, and below /usr/lib/debug in the file's folder, from whose
// front it takes one name after the other.
std::vector<std::string> linked_places(std::string_view file, const char* debug_link) {
  const size_t slash = file.rfind('/');
  const std::string folder(file.substr(0, slash));
  const std::string name = "/" + (debug_link != nullptr ? debug_link : std::string(file.substr(slash + 1)) + ".debug");
  std::vector<std::string> places = {folder + name, folder + "/.debug" + name};
  for (size_t at = 0; at != std::string::npos && at < folder.size(); at = folder.find('/', at + 1))
    places.push_back(kDebugFolder + folder.substr(at) + name);
  places.push_back(kDebugFolder + name);
  return places;
}

int open_with_id(const std::string& path, const std::string& id) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const auto file = fd ? ElfFile::from_fd(fd.get()) : std::nullopt;
  return file && file->build_id() == id ? fd.release() : -1;
}

}  // namespace

int find_debug_file(Dwfl_Module* module, void** user, const char* module_name, Dwarf_Addr base, const char* file_name,
                    const char* debug_link, GElf_Word link_crc, char** debug_name) {
  const char* servers = std::getenv("DEBUGINFOD_URLS");
  const bool may_ask = servers != nullptr && servers[0] != 0;
  const std::string id = build_id_of(module);
  // What several debug files share is asked for without a checksum.
  const bool is_shared_part = debug_link != nullptr && link_crc == 0;
  const bool is_usual = !is_shared_part && file_name != nullptr && file_name[0] == '/' &&
                        (debug_link == nullptr || std::strchr(debug_link, '/') == nullptr);
  if (is_usual && id.size() > 2) {
    std::vector<std::string> places = linked_places(file_name, debug_link);
    places.insert(places.begin(),
                  std::string(kDebugFolder) + "/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug");
    for (const std::string& place : places) {
      const int fd = place == file_name ? -1 : open_with_id(place, id);
      if (fd < 0) continue;
      std::free(*debug_name);
      *debug_name = ::realpath(place.c_str(), nullptr);
      return symbol_copy(fd);
    }
    if (!may_ask) return -1;
  }
  if (is_usual && !may_ask) {
    const std::vector<std::string> places = linked_places(file_name, debug_link);
    if (std::none_of(places.begin(), places.end(),
                     [](const std::string& place) { return ::access(place.c_str(), F_OK) == 0; }))
      return -1;
  }
  // A null path in the callbacks stands for ":.debug:/usr/lib/debug".
  const int fd =
      dwfl_standard_find_debuginfo(module, user, module_name, base, file_name, debug_link, link_crc, debug_name);
  // To see a build id, libdwfl has begun to read what it found, and goes on.
  const bool is_open = !is_shared_part && !id.empty();
  return fd < 0 || is_open ? fd : symbol_copy(fd);
}

}  // namespace vsup::supervisor
