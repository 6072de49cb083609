// Purpose: vsup's command line, without running anything.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "supervisor/options.h"
#include "supervisor/session/log_name.h"

namespace vsup::supervisor {
namespace {

Options parse(std::vector<std::string> arguments, std::vector<OptionSource> sources = {}) {
  return parse_options(arguments, sources);
}

std::string error_of(std::vector<std::string> arguments, std::vector<OptionSource> sources = {}) {
  try {
    parse_options(arguments, sources);
  } catch (const OptionError& error) {
    std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos);
    return message;
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("defaults are the documented ones") {
  Options options = parse({"true"});
  CHECK(options.session.tool == "none");
  CHECK_FALSE(options.session.trace_children);
  CHECK(options.session.instrument_at_start);
  CHECK(options.session.settings.max_block_instructions == 128);
  CHECK(options.session.settings.link == 1);
  CHECK(options.session.settings.cache_limit == 511u << 20);
  CHECK(options.session.settings.translate_limit == ~uint64_t{0});
  CHECK(options.log_fd == -1);
  CHECK(options.session.arguments == std::vector<std::string>{"true"});
}

TEST_CASE("options stop at the program") {
  Options options = parse({"--trace-children=yes", "-q", "sh", "-c", "--help", "--tool=x"});
  CHECK(options.action == OptionsAction::kRun);
  CHECK(options.quiet);
  CHECK(options.session.trace_children);
  CHECK(options.session.arguments == std::vector<std::string>{"sh", "-c", "--help", "--tool=x"});
  CHECK(parse({"-q", "--", "-odd"}).session.arguments == std::vector<std::string>{"-odd"});
}

TEST_CASE("every kind of value") {
  Options options = parse({"--trace-children-skip=*/gcc,*/ld", "--trace-children-skip=*/as", "--instr-atstart=no",
                           "--cache-limit=256k", "--flush-every=7", "--translate-limit=12345678901", "--link=no",
                           "--smc-check=all", "--verify-fragments=yes", "--max-block-instructions=1", "--log-fd=2",
                           "--stats=yes", "--time-stamp=yes", "-v", "-v", "-d", "prog"});
  CHECK(options.session.skip_patterns == std::vector<std::string>{"*/gcc", "*/ld", "*/as"});
  CHECK_FALSE(options.session.instrument_at_start);
  CHECK(options.session.settings.cache_limit == 256u << 10);
  CHECK(options.session.settings.flush_every == 7);
  CHECK(options.session.settings.translate_limit == 12345678901u);
  CHECK(options.session.settings.link == 0);
  CHECK(options.session.settings.check_all == 1);
  CHECK(options.session.settings.verify == 1);
  CHECK(options.session.settings.max_block_instructions == 1);
  CHECK(options.log_fd == 2);
  CHECK(options.stats);
  CHECK(options.time_stamp);
  CHECK(options.verbosity == 2);
  CHECK(options.debug);
  CHECK(options.given.size() == 16);
}

TEST_CASE("short options may stick together") {
  Options options = parse({"-vvq", "prog"});
  CHECK(options.verbosity == 2);
  CHECK(options.quiet);
}

TEST_CASE("attach is repeatable, in both spellings") {
  Options options = parse({"--attach", "12", "--attach=13", "--attach=12"});
  CHECK(options.session.attach_pids == std::vector<pid_t>{12, 13});
  CHECK(contains(error_of({"--attach=12", "prog"}), "exclude each other"));
  CHECK(contains(error_of({"--attach"}), "--attach needs a value"));
  CHECK(contains(error_of({"--attach=x1"}), "bad value 'x1' for --attach"));
  CHECK(contains(error_of({"--attach=0"}), "bad value"));
}

TEST_CASE("options that Valgrind's callgrind has and ours has not are refused with a reason") {
  for (const char* option : {"--collect-alloc=yes", "--compress-events=yes", "--dump-bb=yes", "--dump-bbs=yes",
                             "--dump-objs=yes", "--dump-skipped=yes", "--mangle-names=no", "--L2=262144,8,64"}) {
    const std::string error = error_of({"--tool=callgrind", option, "p"});
    CAPTURE(error);
    CHECK(
        contains(error, "there is no option '" + std::string(option).substr(0, std::string(option).find('=')) + "': "));
    CHECK_FALSE(contains(error, "nearest"));
  }
}

TEST_CASE("unknown names are answered with the nearest") {
  CHECK(contains(error_of({"--trace-childen=yes", "p"}), "the nearest is '--trace-children=yes|no'"));
  CHECK(contains(error_of({"--instr-atstrat=no", "p"}), "the nearest is '--instr-atstart=yes|no'"));
  CHECK(contains(error_of({"--tol=none", "p"}), "--tool="));
  CHECK(contains(error_of({"--tool=nome", "p"}), "the nearest is 'none'"));
  CHECK(contains(error_of({"--completely-different-thing", "p"}), "vsup --help"));
  CHECK_FALSE(contains(error_of({"--completely-different-thing", "p"}), "nearest"));
  CHECK(contains(error_of({"-x", "p"}), "unknown option '-x'"));
  CHECK(contains(error_of({"-vx", "p"}), "unknown option '-vx'"));
  // An abbreviation is not an option.
  CHECK(contains(error_of({"--trace=yes", "p"}), "unknown option"));
}

TEST_CASE("a tool's options belong to it") {
  Options options = parse({"--dump-instr=yes", "--tool=callgrind", "p"});
  CHECK(std::string(options.session.settings.tool_name) == "callgrind");
  CHECK(options.tool_values.yes("dump-instr"));
  CHECK(options.tool_values.yes("dump-line"));
  CHECK(options.tool_values.text("callgrind-out-file") == "callgrind.out.%p");
  CHECK_FALSE(options.tool_values.given("dump-line"));
  CHECK_THROWS_AS(options.tool_values.yes("no-such"), std::logic_error);
  CHECK(contains(error_of({"--dump-instr=yes", "p"}), "--dump-instr is an option of --tool=callgrind, not of none"));
  CHECK(contains(error_of({"--tool=callgrind", "--dump-instr=maybe", "p"}), "yes or no"));
  CHECK(contains(error_of({"--tool=callgrind", "--callgrind-out-file=%z", "p"}), "only p, n"));
  const Options numbered = parse({"--separate-callers3=f", "--separate-callers4=g*", "--tool=callgrind", "p"});
  CHECK(numbered.tool_values.all("separate-callersN") == std::vector<std::string>{"3=f", "4=g*"});
  CHECK(numbered.tool_values.number("separate-callers") == 0);
  CHECK(contains(error_of({"--tool=callgrind", "--separate-callers0=f", "p"}), "a number from 1 to 64"));
  CHECK(contains(error_of({"--tool=callgrind", "--fn-group1=", "p"}), "a function's name"));
  CHECK(contains(error_of({"--tool=callgrind", "--fn-groupN=f", "p"}), "a number from"));
  CHECK(contains(error_of({"--tool=callgrind", "--dmp-instr=yes", "p"}), "the nearest is '--dump-instr=yes|no'"));
  CHECK(parse({"p"}, {{"~/.vsuprc", "--callgrind:dump-instr=yes"}}).session.settings.tool_name[0] == 0);
}

TEST_CASE("malformed values") {
  CHECK(contains(error_of({"--trace-children=maybe", "p"}), "yes or no"));
  CHECK(contains(error_of({"--trace-children=", "p"}), "needs a value"));
  CHECK(contains(error_of({"--trace-children", "p"}), "needs a value"));
  CHECK(contains(error_of({"--tool", "none", "p"}), "--tool needs a value"));
  CHECK(contains(error_of({"--quiet=yes", "p"}), "takes no value"));
  CHECK(contains(error_of({"--max-block-instructions=0", "p"}), "from 1 to 256"));
  CHECK(contains(error_of({"--max-block-instructions=257", "p"}), "from 1 to 256"));
  CHECK(contains(error_of({"--flush-every=-1", "p"}), "bad value"));
  CHECK(contains(error_of({"--cache-limit=1", "p"}), "bad value"));
  CHECK(contains(error_of({"--cache-limit=99999999999999999999m", "p"}), "bad value"));
  CHECK(contains(error_of({"--cache-limit=17592186044417m", "p"}), "bad value"));
  CHECK(contains(error_of({"--log-fd=4000", "p"}), "not open"));
  CHECK(contains(error_of({"--log-file=a%z", "p"}), "only p, n"));
  CHECK(contains(error_of({"--trace-children-skip=a,,b", "p"}), "empty pattern"));
  CHECK(contains(error_of({}), "no program given"));
}

TEST_CASE("help and version need no program") {
  CHECK(parse({"--help"}).action == OptionsAction::kHelp);
  CHECK(parse({"-h"}).action == OptionsAction::kHelp);
  CHECK(parse({"--version"}).action == OptionsAction::kVersion);
  CHECK(parse({"--list-options"}).action == OptionsAction::kListOptions);
  std::string help = help_text();
  for (const char* name : {"--trace-children=yes|no", "-q --quiet", "--smc-check=all-non-file|all", "Results:"}) {
    CHECK(contains(help, name));
  }
  size_t begin = 0;
  while (begin < help.size()) {
    size_t end = help.find('\n', begin);
    CHECK(end - begin <= 120);
    begin = end + 1;
  }
  CHECK(contains(list_options_text(), "--link=\tyes no\n"));
}

TEST_CASE("sources come before the command line and may hold a tool's own lines") {
  std::vector<OptionSource> sources = {
      {"~/.vsuprc", "# mine\n--trace-children=yes --log-file='a b' # why\n--memcheck:no-such=1\n"},
      {"$VSUP_OPTS", "--none:flush-every=9 --link=no"}};
  Options options = parse({"--link=yes", "p"}, sources);
  CHECK(options.session.trace_children);
  CHECK(options.log_file == "a b");
  CHECK(options.session.settings.flush_every == 9);
  CHECK(options.session.settings.link == 1);
  CHECK(contains(error_of({"p"}, {{"./.vsuprc", "--lunk=no"}}), "./.vsuprc: unknown option '--lunk=no'"));
  CHECK(contains(error_of({"p"}, {{"$VSUP_OPTS", "prog"}}), "$VSUP_OPTS: 'prog' is not an option"));
  CHECK(contains(error_of({"p"}, {{"$VSUP_OPTS", "--log-file='x"}}), "not closed"));
}

TEST_CASE("a .vsuprc that everybody may write is not read") {
  char here[4096];
  REQUIRE(getcwd(here, sizeof here) != nullptr);
  char directory[] = "/tmp/vsup-options-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  REQUIRE(chdir(directory) == 0);
  std::string old_home = getenv("HOME") ? getenv("HOME") : "";
  setenv("HOME", "/nonexistent", 1);
  unsetenv("VSUP_OPTS");
  std::ofstream(".vsuprc") << "-q\n";
  std::vector<std::string> warnings;
  chmod(".vsuprc", 0644);
  CHECK(find_option_sources(warnings).size() == 1);
  CHECK(warnings.empty());
  chmod(".vsuprc", 0666);
  CHECK(find_option_sources(warnings).empty());
  CHECK(warnings.size() == 1);
  // At home it is the home's file, read once.
  setenv("HOME", directory, 1);
  chmod(".vsuprc", 0644);
  CHECK(find_option_sources(warnings).size() == 1);
  unlink(".vsuprc");
  setenv("HOME", old_home.c_str(), 1);
  REQUIRE(chdir(here) == 0);
  rmdir(directory);
}

TEST_CASE("log names") {
  std::string error;
  setenv("VSUP_TEST_VARIABLE", "v/w", 1);
  CHECK(expand_log_name("a.%p.%n.%q{VSUP_TEST_VARIABLE}.%%", 42, 3, error) == "a.42.3.v/w.%");
  CHECK(error.empty());
  CHECK(expand_log_name("%q{VSUP_TEST_NO_SUCH}", 1, 0, error).empty());
  CHECK(contains(error, "VSUP_TEST_NO_SUCH"));
  for (const char* bad : {"%", "%x", "%q", "%q{", "%q{}", "%q{A", ""}) {
    error.clear();
    CHECK(expand_log_name(bad, 1, 0, error).empty());
    CHECK_FALSE(error.empty());
  }
}

TEST_CASE("file names from tracees stay in their directory") {
  CHECK(sanitize_file_name("python3.11") == "python3.11");
  CHECK(sanitize_file_name("..") == "_.");
  CHECK(sanitize_file_name("../../etc/passwd") == "_._.._etc_passwd");
  CHECK(sanitize_file_name("a b\n\xff") == "a_b__");
  CHECK(sanitize_file_name("") == "unknown");
  CHECK(sanitize_file_name(std::string(500, 'x')).size() == 64);
  CHECK(base_name("/usr/bin/true") == "true");
  CHECK(base_name("true") == "true");
}

}  // namespace
}  // namespace vsup::supervisor
