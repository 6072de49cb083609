#include "supervisor/reports/valgrind_xml.h"

#include <cstdio>

namespace vsup::supervisor {
namespace {

std::string words(const char* name, const std::vector<std::string>& list) {
  std::string text = std::string("  <") + name + ">\n";
  for (size_t i = 0; i < list.size(); ++i) {
    const char* element = i == 0 ? "exe" : "arg";
    text += std::string("    <") + element + ">" + xml_escaped(list[i]) + "</" + element + ">\n";
  }
  return text + "  </" + name + ">\n";
}

// Days, hours, minutes, seconds, as Valgrind's time stamps.
std::string status(const char* state, double seconds) {
  const auto millis = static_cast<unsigned long long>(seconds < 0 ? 0 : seconds * 1000);
  char time[64];
  std::snprintf(time, sizeof time, "%02llu:%02llu:%02llu:%02llu.%03llu ", millis / 86400000, millis / 3600000 % 24,
                millis / 60000 % 60, millis / 1000 % 60, millis % 1000);
  return std::string("<status>\n  <state>") + state + "</state>\n  <time>" + time + "</time>\n</status>\n\n";
}

// A CDATA section ends at the first "]]>".
std::string cdata(std::string text) {
  for (char& c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  for (size_t at = text.find("]]>"); at != std::string::npos; at = text.find("]]>", at)) text[at + 2] = '?';
  return "<![CDATA[\n" + text + "\n]]>";
}

std::string suppression(const XmlLeak& leak) {
  std::string text =
      "  <suppression>\n    <sname>insert_a_suppression_name_here</sname>\n    <skind>Memcheck:Leak</skind>\n"
      "    <skaux>match-leak-kinds: " +
      leak.suppression_kinds + "</skaux>\n";
  for (const SuppressionFrame& frame : suppression_frames(leak.stack)) {
    const bool named = !frame.function.empty();
    const std::string pattern = named ? frame.function : frame.object.empty() ? "*" : frame.object;
    const char* element = named ? "fun" : "obj";
    text += std::string("    <sframe> <") + element + ">" + xml_escaped(pattern) + "</" + element + "> </sframe>\n";
  }
  return text + "    <rawtext>\n" + cdata(leak.suppression) + "\n    </rawtext>\n  </suppression>\n";
}

std::string error(const XmlLeak& leak) {
  char unique[24];
  std::snprintf(unique, sizeof unique, "0x%llx", static_cast<unsigned long long>(leak.unique));
  std::string text = std::string("<error>\n  <unique>") + unique + "</unique>\n  <tid>1</tid>\n  <kind>" + leak.kind +
                     "</kind>\n  <xwhat>\n    <text>" + xml_escaped(leak.text) + "</text>\n    <leakedbytes>" +
                     std::to_string(leak.bytes) + "</leakedbytes>\n    <leakedblocks>" + std::to_string(leak.blocks) +
                     "</leakedblocks>\n  </xwhat>\n" + stack_xml(leak.stack);
  if (!leak.suppression.empty()) text += suppression(leak);
  return text + "</error>\n\n";
}

}  // namespace

std::string valgrind_xml(const XmlProgram& program, const std::vector<XmlLeak>& leaks,
                         const std::vector<XmlSuppressionCount>& suppressions) {
  std::string text =
      "<?xml version=\"1.0\"?>\n\n<valgrindoutput>\n\n<protocolversion>4</protocolversion>\n"
      "<protocoltool>memcheck</protocoltool>\n\n<preamble>\n";
  for (const std::string& line : program.preamble) text += "  <line>" + xml_escaped(line) + "</line>\n";
  text += "</preamble>\n\n<pid>" + std::to_string(program.pid) + "</pid>\n<ppid>" + std::to_string(program.parent) +
          "</ppid>\n<tool>memcheck</tool>\n";
  if (!program.user_comment.empty()) text += "<usercomment>" + xml_escaped(program.user_comment) + "</usercomment>\n";
  text += "\n<args>\n" + words("vargv", program.vsup_words) + words("argv", program.program_words) + "</args>\n\n";
  text += status("RUNNING", program.started_seconds) + "\n" + status("FINISHED", program.ended_seconds);
  for (const XmlLeak& leak : leaks) text += error(leak);
  text += "<errorcounts>\n</errorcounts>\n\n<suppcounts>\n";
  for (const XmlSuppressionCount& used : suppressions) {
    text += "  <pair>\n    <count>" + std::to_string(used.count) + "</count>\n    <name>" + xml_escaped(used.name) +
            "</name>\n  </pair>\n";
  }
  return text + "</suppcounts>\n\n</valgrindoutput>\n";
}

}  // namespace vsup::supervisor
