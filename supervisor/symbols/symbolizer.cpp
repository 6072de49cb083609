#include "supervisor/symbols/symbolizer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <unordered_map>

#include "supervisor/symbols/cython_lines.h"
#include "supervisor/symbols/symbol_module.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxModules = 1024;

}  // namespace

class Symbolizer::Implementation {
 public:
  std::vector<Frame> symbolize(const ModuleMap& modules, uint64_t address, uint64_t lookup) {
    std::lock_guard lock(mutex_);
    std::vector<Frame> frames;
    const Module* module = modules.module_at(lookup);
    if (module) {
      if (SymbolModule* symbols = symbols_of(*module, modules.pid())) {
        if (auto vaddr = link_time_address(*module, lookup, symbols->elf())) frames = symbols->frames_at(*vaddr);
      }
    }
    if (frames.empty()) frames.emplace_back();
    for (Frame& frame : frames) {
      frame.address = address;
      if (module) frame.module = module->path;
      show_python_source(frame);
    }
    if (!frames.back().function.empty()) frames.back().offset += address - lookup;
    return frames;
  }

  std::string linkage_name(const ModuleMap& modules, uint64_t lookup) {
    std::lock_guard lock(mutex_);
    const Module* module = modules.module_at(lookup);
    SymbolModule* symbols = module ? symbols_of(*module, modules.pid()) : nullptr;
    if (!symbols) return {};
    const auto vaddr = link_time_address(*module, lookup, symbols->elf());
    return vaddr ? symbols->linkage_name(*vaddr) : std::string();
  }

  bool may_have_debug_information(const ModuleMap& modules, uint64_t lookup) {
    std::lock_guard lock(mutex_);
    const Module* module = modules.module_at(lookup);
    SymbolModule* symbols = module ? symbols_of(*module, modules.pid()) : nullptr;
    return symbols != nullptr && symbols->may_have_debug_information();
  }

  void open_debug_information(const ModuleMap& modules, uint64_t address) {
    std::lock_guard lock(mutex_);
    const Module* module = modules.module_at(address);
    if (SymbolModule* symbols = module ? symbols_of(*module, modules.pid()) : nullptr) symbols->prepare();
  }

  size_t cached_modules() const {
    std::lock_guard lock(mutex_);
    return cache_.size();
  }

 private:
  void show_python_source(Frame& frame) {
    if (frame.line == 0 || !frame.function.starts_with("__pyx_")) return;
    const auto place = cython_.find(frame.file, frame.line);
    if (!place) return;
    frame.file = place->file;
    frame.line = place->line;
  }

  static std::optional<uint64_t> link_time_address(const Module& module, uint64_t address, const ElfFile& elf) {
    if (module.image) return address - module.image->bias;
    if (module.is_vdso()) return address - module.start + elf.lowest_vaddr();
    auto bias = load_bias(module, address, elf);
    if (!bias) return std::nullopt;
    return address - *bias;
  }

  SymbolModule* symbols_of(const Module& module, pid_t pid) {
    std::string key = module.image ? module.image->build_id : std::string();
    int fd = -1;
    std::string opened;
    if (key.empty() && !module.memory) {
      fd = open_module_file(module, pid, &opened);
      key = module.path;
      struct stat status;
      if (fd >= 0 && ::fstat(fd, &status) == 0) {
        char text[128];
        std::snprintf(text, sizeof text, "|%llu|%llu|%lld.%09ld", static_cast<unsigned long long>(status.st_ino),
                      static_cast<unsigned long long>(status.st_size), static_cast<long long>(status.st_mtim.tv_sec),
                      status.st_mtim.tv_nsec);
        key += text;
      }
    }
    if (key.empty()) key = module.path;
    auto found = cache_.find(key);
    if (found != cache_.end()) {
      if (fd >= 0) ::close(fd);
      return found->second.get();
    }
    if (cache_.size() >= kMaxModules) cache_.clear();
    std::unique_ptr<SymbolModule> symbols;
    if (module.memory) {
      symbols = SymbolModule::from_memory(module.memory, module.path);
    } else {
      if (fd < 0) fd = open_module_file(module, pid, &opened);
      if (fd >= 0) symbols = SymbolModule::from_file(fd, opened.starts_with("/usr/lib/debug/") ? opened : module.path);
    }
    return cache_.emplace(key, std::move(symbols)).first->second.get();
  }

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<SymbolModule>> cache_;  // null: no symbols to be had
  CythonLines cython_;
};

Symbolizer::Symbolizer() : implementation_(std::make_unique<Implementation>()) {}
Symbolizer::~Symbolizer() = default;

std::vector<Frame> Symbolizer::symbolize(const ModuleMap& modules, uint64_t address, uint64_t lookup) {
  return implementation_->symbolize(modules, address, lookup);
}

std::string Symbolizer::linkage_name(const ModuleMap& modules, uint64_t lookup) {
  return implementation_->linkage_name(modules, lookup);
}

bool Symbolizer::may_have_debug_information(const ModuleMap& modules, uint64_t lookup) {
  return implementation_->may_have_debug_information(modules, lookup);
}

void Symbolizer::open_debug_information(const ModuleMap& modules, uint64_t address) {
  implementation_->open_debug_information(modules, address);
}

size_t Symbolizer::cached_modules() const {
  return implementation_->cached_modules();
}

std::string describe(const Frame& frame) {
  char number[32];
  std::snprintf(number, sizeof number, "0x%llX", static_cast<unsigned long long>(frame.address));
  std::string text = std::string(number) + ": " + (frame.function.empty() ? "???" : frame.function);
  if (frame.inlined) text += " [inlined]";
  if (frame.guessed) text += " [guessed]";
  if (frame.line != 0) {
    size_t slash = frame.file.rfind('/');
    text += " (" + (slash == std::string::npos ? frame.file : frame.file.substr(slash + 1)) + ":" +
            std::to_string(frame.line) + ")";
  } else if (!frame.module.empty()) {
    text += " (in " + frame.module + ")";
  }
  return text;
}

}  // namespace vsup::supervisor
