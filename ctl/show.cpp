#include "ctl/show.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "ctl/json_text.h"

namespace vsup::ctl {
namespace {

std::string heading(const Json& process) {
  return std::to_string(number_of(process, "pid")) + " " + name_of(process) + ", " + text_of(process, "mode");
}

// "instrumented", or "3 of 4 on" while threads differ.
std::string state_of(const Json& process) {
  std::string mode = text_of(process, "mode");
  const Json& threads = list_of(process, "threads");
  size_t on = 0;
  for (const Json& thread : threads) {
    auto found = thread.is_object() ? thread.find("instrumented") : thread.end();
    if (found != thread.end() && *found == true) ++on;
  }
  bool mixed = on != 0 && on != threads.size();
  return mixed ? std::to_string(on) + " of " + std::to_string(threads.size()) + " on" : mode;
}

}  // namespace

std::string show_list(const Json& result, double now_seconds) {
  const Json session = result.is_object() && result.contains("session") ? result["session"] : Json::object();
  const Json& processes = list_of(result, "processes");
  std::string command = words_of(list_of(session, "command"));
  std::string text =
      "session " + std::to_string(number_of(session, "pid")) + ": " + (command.empty() ? "attached" : command) + "\n";
  text += "  tool " + text_of(session, "tool") + ", " + duration(now_seconds - real_of(session, "started")) +
          ", results in " + text_of(session, "directory") + "\n";

  std::set<uint64_t> known;
  std::map<uint64_t, std::vector<const Json*>> children;
  for (const Json& process : processes) known.insert(number_of(process, "pid"));
  for (const Json& process : processes) {
    uint64_t parent = number_of(process, "parent");
    bool child = known.count(parent) != 0 && parent != number_of(process, "pid");
    children[child ? parent : 0].push_back(&process);
  }
  if (processes.empty()) return text;
  text += "      PID  STATE          THREADS  COMMAND\n";
  // Depth first, without recursion: chains of children may be long.
  struct Item {
    const Json* process;
    size_t depth;
  };
  std::vector<Item> stack;
  std::set<const Json*> seen;
  auto push_children = [&](uint64_t pid, size_t depth) {
    auto found = children.find(pid);
    if (found == children.end()) return;
    for (auto it = found->second.rbegin(); it != found->second.rend(); ++it) stack.push_back({*it, depth});
  };
  push_children(0, 0);
  while (!stack.empty()) {
    Item item = stack.back();
    stack.pop_back();
    if (!seen.insert(item.process).second) continue;
    const Json& process = *item.process;
    std::string arguments = words_of(list_of(process, "arguments"));
    if (arguments.empty()) arguments = text_of(process, "executable");
    text += pad_left(std::to_string(number_of(process, "pid")), 9) + "  " + pad_right(state_of(process), 13) +
            pad_left(std::to_string(list_of(process, "threads").size()), 9) + "  " +
            std::string(2 * std::min<size_t>(item.depth, 40), ' ') + arguments + "\n";
    std::string note = text_of(process, "note");
    if (!note.empty()) text += std::string(11, ' ') + note + "\n";
    push_children(number_of(process, "pid"), item.depth + 1);
  }
  return text;
}

std::string show_status(const Json& result) {
  std::string text;
  for (const Json& process : list_of(result, "processes")) {
    text += heading(process) + "\n";
    for (const Json& counter : list_of(process, "counters")) {
      text += pad_left(grouped(number_of(counter, "value")), 20) + "  " + text_of(counter, "sentence") + "\n";
    }
  }
  return text.empty() ? "no processes\n" : text;
}

std::string show_toggle(const Json& result, bool on) {
  return std::string("instrumentation ") + (on ? "on" : "off") + ": " +
         plural(number_of(result, "threads"), "thread", "threads") + " of " +
         plural(number_of(result, "processes"), "process", "processes") + " moved in " +
         format("%.1f ms", real_of(result, "milliseconds")) + "\n";
}

std::string show_stacks(const Json& result) {
  std::string text;
  for (const Json& process : list_of(result, "processes")) {
    text += heading(process) + "\n";
    for (const Json& thread : list_of(process, "threads")) {
      text += "  thread " + std::to_string(number_of(thread, "tid")) + " (" + text_of(thread, "name") + ")\n";
      size_t number = 0;
      for (const Json& frame : list_of(thread, "frames")) {
        std::string function = text_of(frame, "function");
        std::string line = "    #" + pad_right(std::to_string(number++), 3) + " ";
        line += function.empty() ? text_of(frame, "address") : function;
        std::string file = text_of(frame, "file");
        if (!file.empty()) {
          line += " at " + file;
          if (uint64_t row = number_of(frame, "line")) line += ":" + std::to_string(row);
        } else if (std::string module = text_of(frame, "module"); !module.empty()) {
          line += " in " + module;
        }
        if (frame.is_object() && frame.contains("inlined") && frame["inlined"] == true) line += " (inlined)";
        text += line + "\n";
      }
    }
  }
  return text.empty() ? "no processes\n" : text;
}

std::string show_count(const Json& result, const std::string& verb) {
  return verb + " " + plural(number_of(result, "processes"), "process", "processes") + "\n";
}

std::string show_leaks(const Json& result) {
  std::string text;
  for (const Json& row : result.value("processes", Json::array())) {
    const std::string pid = std::to_string(row.value("pid", 0));
    if (row.contains("error")) {
      text += pid + ": " + row.value("error", "") + "\n";
      continue;
    }
    const Json check = row.value("result", Json::object());
    char pause[64];
    std::snprintf(pause, sizeof pause, "stood still for %.1f ms", check.value("milliseconds", 0.0));
    text += pid + ": " + pause + "\n" + check.value("text", "") + "\n";
  }
  return text;
}

bool tool_succeeded(const Json& result) {
  for (const Json& row : result.value("processes", Json::array())) {
    if (row.contains("error")) return false;
  }
  return true;
}

}  // namespace vsup::ctl
