// Runs python_stacks.py and compares each captured stack with what the interpreter said.
// Usage: python_stacks PYTHON SCRIPT PROBE.so yes|only
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "supervisor/symbols/stack_reader.h"
#include "supervisor/symbols/stack_tables.h"

using namespace vsup::supervisor;
using namespace vsup::protocol;

namespace {

int failures = 0;

void fail(const std::string& what) {
  if (++failures <= 20) std::printf("%s\n", what.c_str());
}

std::string text_of(const std::vector<PythonLocation>& frames) {
  std::string text;
  for (const auto& frame : frames)
    text += "    " + frame.function + " " + frame.file + ":" + std::to_string(frame.line) + "\n";
  return text;
}

bool same(const PythonLocation& a, const PythonLocation& b) {
  return a.function == b.function && a.file == b.file && a.line == b.line;
}

void compare(const StackReader& reader, const nlohmann::json& stack, bool only) {
  std::vector<PythonLocation> ours, theirs;
  size_t native = 0, native_below = 0;
  for (const CapturedFrame& frame : reader.frames(stack["id"])) {
    if (frame.kind == kFramePython) {
      ours.push_back(reader.python_location(frame));
      native_below = 0;
    } else {
      native++;
      native_below++;
    }
  }
  for (const auto& frame : stack["frames"]) theirs.push_back({frame[0], frame[1], frame[2]});
  bool equal = ours.size() == theirs.size() || ours.size() == kMaxStackDepth - 12;
  for (size_t i = 0; equal && i < ours.size() && i < theirs.size(); i++) equal = same(ours[i], theirs[i]);
  const std::string name = stack["name"];
  if (!equal) fail(name + ": captured\n" + text_of(ours) + "  expected\n" + text_of(theirs));
  if (only && native != 0) fail(name + ": native frames in it");
  if (!only && native_below == 0) fail(name + ": nothing native around the outermost Python frame");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  int to_child[2], from_child[2];
  if (pipe(to_child) != 0 || pipe(from_child) != 0) return 2;
  const pid_t child = fork();
  if (child == 0) {
    dup2(to_child[0], 0);
    dup2(from_child[1], 1);
    for (int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) close(fd);
    setenv("PYTHONIOENCODING", "utf-8", 1);
    execl(argv[1], argv[1], argv[2], argv[3], argv[4], nullptr);
    _exit(127);
  }
  close(to_child[0]);
  close(from_child[1]);
  FILE* lines = fdopen(from_child[0], "r");
  const bool only = std::strcmp(argv[4], "only") == 0;
  StackTables tables;
  tables.set_python_stacks(only ? kPythonStacksOnly : kPythonStacksYes);
  UnwindTableCache cache;
  std::vector<nlohmann::json> stacks;
  char* line = nullptr;
  size_t room = 0;
  bool done = false;
  while (!done && getline(&line, &room, lines) > 0) {
    if (std::strncmp(line, "ready", 5) == 0) {
      if (!tables.update(child, cache)) fail("the tables cannot be written");
      if (write(to_child[1], "\n", 1) != 1) fail("the program has gone");
    } else if (std::strncmp(line, "done", 4) == 0) {
      done = true;
    } else {
      stacks.push_back(nlohmann::json::parse(line));
    }
  }
  if (!tables.python() || !tables.python()->layout)
    fail("no interpreter found: " + (tables.python() ? tables.python()->refusal : std::string("none")));
  const StackReader reader = StackReader::of_process(child);
  for (const auto& stack : stacks) compare(reader, stack, only);
  if (!done || stacks.size() < 300) fail("only " + std::to_string(stacks.size()) + " stacks");
  if (reader.python_misfits() != 0) fail(std::to_string(reader.python_misfits()) + " frames left out");
  if (reader.lost_walks() != 0) fail(std::to_string(reader.lost_walks()) + " walks lost their way");
  close(to_child[1]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) fail("the program ended with status " + std::to_string(status));
  std::printf("python 3.%u: %zu stacks compared, %d failures, %zu nodes, %lu guessed walks\n",
              tables.python() ? tables.python()->minor : 0, stacks.size(), failures, reader.nodes(),
              reader.guessed_walks());
  return failures == 0 ? 0 : 1;
}
