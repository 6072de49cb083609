#include "supervisor/reports/leaks/leak_options.h"

#include <algorithm>
#include <filesystem>

namespace vsup::supervisor::leaks {
namespace {

LeakKinds kinds_of(const ToolOptionValues& options, const char* name) {
  const std::string text = options.text(name);
  const auto kinds = parse_leak_kinds(text);
  if (kinds) return *kinds;
  throw OptionError("bad value '" + text + "' for --" + name +
                    ": it takes a list of definite, indirect, possible, reachable; or all, or none");
}

unsigned heuristics_of(const ToolOptionValues& options) {
  const std::string text = options.text("leak-check-heuristics");
  if (text == "all") return kAllHeuristics;
  if (text == "none") return 0;
  unsigned heuristics = 0;
  for (const std::string& word : split_at_commas(text)) {
    unsigned found = 0;
    for (unsigned i = 0; i < kHeuristicCount; ++i) {
      if (word == heuristic_name(static_cast<uint8_t>(1u << i))) found = 1u << i;
    }
    if (found == 0) {
      throw OptionError("bad value '" + text +
                        "' for --leak-check-heuristics: it takes a list of stdstring, length64, newarray, "
                        "multipleinheritance, pyobject; or all, or none");
    }
    heuristics |= found;
  }
  return heuristics;
}

// Beside the program: PREFIX/bin/vsup and PREFIX/share/vsup/suppressions, installed or in the build folder.
std::vector<std::string> own_suppressions() {
  std::vector<std::string> files;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto folder = program.parent_path().parent_path() / "share" / "vsup" / "suppressions";
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    // What glibc.supp covers is shown by Memcheck, too.
    if (entry->path().extension() == ".supp" && entry->path().stem() != "glibc") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

LeakOptions leak_options(const ToolOptionValues& options) {
  LeakOptions result;
  const std::string detail = options.text("leak-check");
  result.report.detail = detail == "no"        ? LeakDetail::kNone
                         : detail == "summary" ? LeakDetail::kSummary
                                               : LeakDetail::kFull;
  result.report.shown = kinds_of(options, "show-leak-kinds");
  if (options.given("show-reachable")) {
    result.report.shown =
        options.yes("show-reachable") ? kAllLeakKinds : result.report.shown & ~leak_kinds_of(LeakKind::kReachable);
  }
  if (options.given("show-possibly-lost")) {
    const LeakKinds possible = leak_kinds_of(LeakKind::kPossible);
    result.report.shown =
        options.yes("show-possibly-lost") ? result.report.shown | possible : result.report.shown & ~possible;
  }
  result.report.errors = kinds_of(options, "errors-for-leak-kinds");
  result.report.generate_suppressions = options.text("gen-suppressions") == "all";
  const std::string resolution = options.text("leak-resolution");
  result.naming.num_callers = static_cast<unsigned>(options.number("num-callers"));
  // VG_(eq_ExeContext) of Valgrind.
  result.naming.resolution = resolution == "low" ? 2 : resolution == "med" ? 4 : result.naming.num_callers;
  result.naming.show_below_main = options.yes("show-below-main");
  result.heuristics = heuristics_of(options);
  result.error_exitcode = static_cast<int>(options.number("error-exitcode"));
  load_suppressions(options);
  return result;
}

SuppressionSet load_suppressions(const ToolOptionValues& options) {
  std::vector<std::string> files = options.all("suppressions");
  if (options.yes("default-suppressions")) {
    for (std::string& file : own_suppressions()) files.push_back(std::move(file));
  }
  SuppressionSet set;
  try {
    for (const std::string& file : files) set.add_file(file, static_cast<unsigned>(options.number("num-callers")));
  } catch (const SuppressionError& error) {
    throw OptionError(error.what());
  }
  return set;
}

std::vector<std::string> given_words(const ToolOptionValues& options, std::span<const ToolOption> rows) {
  std::vector<std::string> words = {"vsup", "--tool=leaks"};
  for (const ToolOption& row : rows) {
    if (!options.given(row.name)) continue;
    for (const std::string& value : options.all(row.name)) words.push_back(std::string("--") + row.name + "=" + value);
  }
  return words;
}

}  // namespace vsup::supervisor::leaks
