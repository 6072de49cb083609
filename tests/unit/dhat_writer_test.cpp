#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "supervisor/reports/dhat/dhat_writer.h"

using namespace vsup::supervisor::dhat;

TEST_CASE("dhat writer: every mandatory member, whatever the names") {
  DhatFile file;
  file.command = "./x \"</script>\n\xff";
  file.pid = 42;
  file.time_unit = "us";
  file.time_unit_million = "s";
  file.short_lived = 100;
  file.end_time = 5000;
  file.peak_time = 300;
  file.frames = {"0x401136: make (x.c:3)", "0x401200: main\\ (x\t.c:9)"};
  file.sites.push_back({{0, 1}, 1000, 3, 77, 600, 2, 500, 1, 400, 1});
  file.sites.push_back({{}, ~uint64_t{0}, 1, 0, 0, 0, 0, 0, 0, 0});
  auto json = nlohmann::json::parse(write_dhat(file));
  CHECK(json["dhatFileVersion"] == 2);
  CHECK(json["mode"] == "heap");
  CHECK(json["bklt"] == true);
  CHECK(json["bkacc"] == false);
  for (const char* name : {"verb", "tu", "Mtu", "tuth", "cmd", "pid", "te", "tg", "pps", "ftbl"}) {
    CHECK_MESSAGE(json.contains(name), name);
  }
  CHECK(json["cmd"].get<std::string>().starts_with("./x \"</script>\n"));
  CHECK(json["ftbl"] == nlohmann::json({"[root]", "0x401136: make (x.c:3)", "0x401200: main\\ (x\t.c:9)"}));
  REQUIRE(json["pps"].size() == 2);
  CHECK(json["pps"][0] == nlohmann::json({{"tb", 1000},
                                          {"tbk", 3},
                                          {"tl", 77},
                                          {"mb", 600},
                                          {"mbk", 2},
                                          {"gb", 500},
                                          {"gbk", 1},
                                          {"eb", 400},
                                          {"ebk", 1},
                                          {"fs", {1, 2}}}));
  CHECK(json["pps"][1]["fs"].empty());
  CHECK(json["pps"][1]["tb"] == ~uint64_t{0});
  CHECK(nlohmann::json::parse(write_dhat({}))["pps"].empty());
}
