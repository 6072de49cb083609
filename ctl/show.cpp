#include "ctl/show.h"

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace vsup::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestCommand = 200;

std::string printable(const std::string& text) {
  std::string result;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return result;
}

std::string text_of(const Json& json, const char* name) {
  if (!json.is_object()) return "";
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

uint64_t number_of(const Json& json, const char* name) {
  if (!json.is_object()) return 0;
  auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<uint64_t>() : 0;
}

double real_of(const Json& json, const char* name) {
  if (!json.is_object()) return 0;
  auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

const Json& list_of(const Json& json, const char* name) {
  static const Json kNone = Json::array();
  if (!json.is_object()) return kNone;
  auto found = json.find(name);
  return found != json.end() && found->is_array() ? *found : kNone;
}

std::string words_of(const Json& list) {
  std::string text;
  for (const Json& word : list) {
    if (!word.is_string()) continue;
    if (!text.empty()) text += ' ';
    text += printable(word.get<std::string>());
    if (text.size() > kLongestCommand) {
      size_t cut = kLongestCommand;
      while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
      return text.substr(0, cut) + "...";
    }
  }
  return text;
}

std::string name_of(const Json& process) {
  std::string path = text_of(process, "executable");
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

std::string plural(uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string duration(double seconds) {
  if (seconds < 60) return format("%.1f s", seconds);
  auto whole = static_cast<unsigned long long>(seconds);
  char text[64];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%llu min %02llu s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%llu h %02llu min", whole / 3600, whole / 60 % 60);
  }
  return text;
}

std::string grouped(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string pad_left(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string pad_right(const std::string& text, size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

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

}  // namespace vsup::ctl
