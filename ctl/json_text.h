// Purpose: members of answers, and numbers, as text for people.
// Assumes: JSON from another program: a member of the wrong kind counts as absent. Promises: pure; no control
// characters.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace vsup::ctl {

using Json = nlohmann::ordered_json;

std::string printable(const std::string& text);
std::string text_of(const Json& json, const char* name);
uint64_t number_of(const Json& json, const char* name);
double real_of(const Json& json, const char* name);
const Json& list_of(const Json& json, const char* name);
std::string words_of(const Json& list);
std::string name_of(const Json& process);
std::string format(const char* pattern, double value);
std::string plural(uint64_t count, const char* one, const char* many);
std::string duration(double seconds);
std::string grouped(uint64_t value);
std::string pad_left(const std::string& text, size_t width);
std::string pad_right(const std::string& text, size_t width);

}  // namespace vsup::ctl
