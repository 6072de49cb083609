// Code is replaced in native code, then a child is forked that goes into the cache: what was translated before is void.
// MODES: default, one-instruction, no-link, callgrind
// EXPECT: 20 children executed the new code
#include "toggle.h"
static char path[] = "/tmp/vsup-code-XXXXXX";
static int file;
static int (*const code)(void) = (int (*)(void))0x5000000000;
// Each of the file's pages returns its number. The file keeps its name: vsup checks code of files without one at each
// entry.
static void make_file(int pages) {
  file = mkstemp(path);
  CHECK(file >= 0 && ftruncate(file, pages * 4096) == 0);
  for (int i = 0; i < pages; ++i) {
    unsigned char function[] = {0xb8, (unsigned char)i, 0, 0, 0, 0xc3};  // mov $i, %eax; ret
    CHECK(pwrite(file, function, sizeof function, i * 4096) == sizeof function);
  }
}
static void map_page(int page) {
  CHECK(mmap(code, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, page * 4096) == code);
}
int main(void) {
  enum { kChildren = 20 };
  make_file(kChildren + 1);
  toggle_open();
  map_page(0);
  CHECK(code() == 0);
  int right = 0;
  for (int i = 1; i <= kChildren; ++i) {
    toggle(0);
    map_page(i);
    pid_t child = fork();
    if (child == 0) {
      toggle_self(1);
      _exit(code() == i ? 7 : 8);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    right += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    toggle(1);
    CHECK(code() == i);
  }
  unlink(path);
  printf("%d children executed the new code\n", right);
}
