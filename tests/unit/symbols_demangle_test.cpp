#include <doctest/doctest.h>

#include <random>
#include <string>

#include "supervisor/symbols/demangle.h"
#include "supervisor/symbols/rust_demangle.h"

using namespace vsup::supervisor;

TEST_CASE("demangle: C++ and what is not mangled") {
  CHECK(demangle("main") == "main");
  CHECK(demangle("") == "");
  CHECK(demangle("_ZN3foo3barEi") == "foo::bar(int)");
  CHECK(demangle("_ZSt4cout@@GLIBCXX_3.4") == "std::cout");
  CHECK(demangle("_Znot mangled") == "_Znot mangled");
  std::string huge = "_ZN" + std::string(100'000, '1') + "E";
  CHECK(demangle(huge) == huge);
}

TEST_CASE("demangle: Rust's legacy names") {
  CHECK(demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE") == "core::fmt::Formatter::pad");
  CHECK(demangle("_ZN74_$LT$alloc..string..String$u20$as$u20$core..ops..index..Index$LT$T$GT$$GT$"
                 "5index17h0123456789abcdefE") == "<alloc::string::String as core::ops::index::Index<T>>::index");
}

TEST_CASE("demangle: Rust's v0 names") {
  CHECK(demangle("_RINvNtC3std3mem8align_ofjdE") == "std::mem::align_of::<usize, f64>");
  CHECK(demangle("_RNvC6_123foo3bar") == "123foo::bar");
  CHECK(demangle("_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_") == "cc::spawn::{closure#0}::{closure#0}");
  CHECK(demangle("_RNvMCs4fqI2P2rA04_13const_genericINtB2_8UnsignedKhb_E3foo") == "<const_generic::Unsigned<11>>::foo");
  CHECK(demangle("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y") ==
        "utf8_idents::საჭმელად_გემრიელი_სადილი");
  CHECK(demangle("_RNvXCs6GmmlP4bgsG_1rNtB2_1ANtB2_1T1f") == "<r::A as r::T>::f");
}

TEST_CASE("demangle: damaged v0 names end") {
  const std::string names[] = {
      "_RINvNtNtCsjrHSEGnQ3l9_3std3sys9backtrace28___rust_begin_short_backtraceFEuuECs6GmmlP4bgsG_1r",
      "_RNvMCs4fqI2P2rA04_13const_genericINtB2_8UnsignedKhb_E3foo",
      "_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y"};
  std::mt19937 random(17);
  for (int round = 0; round < 30000; round++) {
    std::string name = names[random() % 3];
    for (unsigned i = 0; i < 1 + random() % 3; i++) {
      static constexpr char kLetters[] = "_09azAZBIEKTSRNvFDLpusCXM";
      name[2 + random() % (name.size() - 2)] = kLetters[random() % (sizeof kLetters - 1)];
    }
    if (random() % 4 == 0) name.resize(2 + random() % name.size());
    CHECK(demangle_rust_v0(name).value_or("").size() < 20'000);
  }
  // Each back reference doubles the text.
  std::string bomb = "_RINvC1a1b";
  for (int i = 0; i < 60; i++) bomb += "TB7_B7_E";
  CHECK(demangle(bomb + "E") == bomb + "E");
  CHECK(demangle("_R" + std::string(5000, 'S')) == "_R" + std::string(5000, 'S'));
  CHECK(demangle("_RB_") == "_RB_");
}
