// Purpose: vsup's command line: options in Valgrind's spelling, from the command line, $VSUP_OPTS and .vsuprc files.
// Assumes: nothing is running yet; errors are for the user's eyes. Promises: every row of options.def is parsed,
// checked, explained by help_text() and read by somebody; an error is one line.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/session/session_options.h"
#include "supervisor/session/tool_report.h"

namespace vsup::supervisor {

enum class OptionsAction { kRun, kHelp, kVersion, kListOptions, kReport };

struct Options {
  OptionsAction action = OptionsAction::kRun;
  SessionOptions session;
  bool quiet = false;
  int verbosity = 0;
  bool debug = false;
  std::string report_dir;  // of kReport
  std::string log_dir;     // pattern, empty: the default place
  std::string log_file;    // pattern, empty: none
  int log_fd = -1;         // -1: none
  bool time_stamp = false;
  const ToolDescription* tool = nullptr;  // never null once parsed
  ToolOptionValues tool_values;
  bool stats = false;
  std::vector<std::string> given;  // the options as given, all sources, for session.json
};

// Text with options in it, not from the command line. `name` is for messages.
struct OptionSource {
  std::string name;
  std::string text;
};

// ~/.vsuprc, $VSUP_OPTS and ./.vsuprc, in this order, as far as they exist. A ./.vsuprc that is not a regular file of
// ours, or that others may write, is left out with a line in `warnings`.
std::vector<OptionSource> find_option_sources(std::vector<std::string>& warnings);

// Splits at white space. Quotes ('...' or "...") hold words together, # starts a comment that ends with the line.
std::vector<std::string> split_option_words(std::string_view text);

// `arguments` without argv[0]. Options end at the first argument that is none, or after "--": there begins the
// program. Later options win over earlier ones, the command line over all. Throws OptionError.
Options parse_options(const std::vector<std::string>& arguments, const std::vector<OptionSource>& sources);

std::string help_text();
// One line an option: NAME KIND VALUES, tab separated; read by completion/vsup.
std::string list_options_text();

// The candidate with the smallest edit distance to `word`, empty if none is near.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace vsup::supervisor
