#include "supervisor/reports/report_frame.h"

#include <cstdio>

namespace vsup::supervisor {
namespace {

std::string hex(uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llX", static_cast<unsigned long long>(number));
  return text;
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string element(const char* name, const std::string& value) {
  return std::string("      <") + name + ">" + xml_escaped(value) + "</" + name + ">\n";
}

// Bytes of the UTF-8 character at `text[at]`, 0 if there is none.
size_t character_size(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const size_t size = first < 0x80                    ? 1
                      : first >= 0xc2 && first < 0xe0 ? 2
                      : first >= 0xe0 && first < 0xf0 ? 3
                      : first >= 0xf0 && first < 0xf5 ? 4
                                                      : 0;
  if (size == 0 || at + size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, what is beyond Unicode, and the two that XML leaves out.
  const unsigned char second = size > 1 ? byte(at + 1) : 0;
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90)) return 0;
  if (first == 0xef && second == 0xbf && byte(at + 2) >= 0xbe) return 0;
  return size;
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const size_t size = character_size(text, at);
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (size == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n')) {
      escaped += '?';
    } else {
      escaped += text.substr(at, size);
    }
    at += size == 0 ? 1 : size;
  }
  return escaped;
}

std::string stack_text(const std::vector<ReportFrame>& stack) {
  std::string text;
  for (const ReportFrame& frame : stack) {
    text += (text.empty() ? "   at " : "\n   by ") + hex(frame.ip) + ": ";
    text += frame.function.empty() ? "???" : frame.function;
    if (!frame.file.empty()) {
      text += " (" + last_part(frame.file);
      if (frame.line != 0) text += ":" + std::to_string(frame.line);
      text += ")";
    } else if (!frame.object.empty()) {
      text += " (in " + frame.object + ")";
    }
  }
  for (char& c : text) {  // names come from files of the program
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') c = '?';
  }
  return text;
}

std::string stack_xml(const std::vector<ReportFrame>& stack) {
  std::string text = "  <stack>\n";
  for (const ReportFrame& frame : stack) {
    text += "    <frame>\n" + element("ip", hex(frame.ip));
    if (!frame.object.empty()) text += element("obj", frame.object);
    if (!frame.function.empty()) text += element("fn", frame.function);
    if (!frame.file.empty()) {
      const size_t slash = frame.file.rfind('/');
      if (slash != std::string::npos) text += element("dir", frame.file.substr(0, slash));
      text += element("file", last_part(frame.file));
      if (frame.line != 0) text += element("line", std::to_string(frame.line));
    }
    text += "    </frame>\n";
  }
  return text + "  </stack>\n";
}

std::vector<SuppressionFrame> suppression_frames(const std::vector<ReportFrame>& stack) {
  std::vector<SuppressionFrame> frames;
  frames.reserve(stack.size());
  for (const ReportFrame& frame : stack) {
    frames.push_back(
        {frame.linkage.empty() ? frame.function : frame.linkage, frame.object, last_part(frame.file), frame.line});
  }
  return frames;
}

}  // namespace vsup::supervisor
