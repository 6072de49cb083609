// Purpose: a victim switches its own instrumentation, so that the moment is exact: it speaks to the control socket of
// the vsup that traces it. Without vsup nothing happens, and everything else stays the same.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "../victim.h"

static int control_fd_ = -1;

static inline void toggle_open(void) {
  char line[256], path[108];
  int tracer = 0;
  FILE* status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status)) sscanf(line, "TracerPid: %d", &tracer);
  fclose(status);
  const char* folder = getenv("XDG_RUNTIME_DIR");
  if (tracer == 0 || folder == NULL) return;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(path, sizeof path, "%s/vsup/%d.sock", folder, tracer);
  strcpy(address.sun_path, path);
  control_fd_ = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(connect(control_fd_, (struct sockaddr*)&address, sizeof address) == 0);
  char c;
  do CHECK(recv(control_fd_, &c, 1, 0) == 1);
  while (c != '\n');
}

// Of a thread that stands in a system call, by its folder in /proc; 0: it runs.
static inline uint64_t pc_in_call(const char* folder) {
  char path[64], text[512] = "";
  snprintf(path, sizeof path, "%s/syscall", folder);
  int fd = open(path, O_RDONLY);
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  const char* last = n > 0 ? strrchr(text, ' ') : NULL;
  if (last == NULL) return 0;
  const uint64_t pc = strtoull(last + 1, NULL, 16);
  CHECK(pc != 0);
  return pc;
}

// Sends a request for a switch and computes, without blocking, until the answer is there: the thread moves meanwhile.
// Async-signal-safe. One caller at a time.
static inline void ask_for_toggle(const char* request) {
  if (control_fd_ < 0) return;
  const ssize_t size = (ssize_t)strlen(request);
  CHECK(send(control_fd_, request, (size_t)size, 0) == size);
  char c = 0, answer[400];
  size_t n = 0;
  while (c != '\n') {
    ssize_t r = recv(control_fd_, &c, 1, MSG_DONTWAIT);
    CHECK(r == 1 || (r == -1 && errno == EAGAIN));
    if (r == 1 && n < sizeof answer - 1) answer[n++] = c;
    if (r != 1) c = 0;
  }
  answer[n] = 0;
  if (!strstr(answer, "\"ok\":true")) {
    write(1, answer, n);
    _exit(98);
  }
}

// Of all processes. Async-signal-safe.
static inline void toggle(int on) {
  ask_for_toggle(on ? "{\"id\":1,\"request\":\"toggle\",\"on\":true}\n"
                    : "{\"id\":1,\"request\":\"toggle\",\"on\":false}\n");
}

// Of the calling process alone.
static inline void toggle_self(int on) {
  char request[100];
  snprintf(request, sizeof request, "{\"id\":1,\"request\":\"toggle\",\"on\":%s,\"targets\":[%d]}\n",
           on ? "true" : "false", getpid());
  ask_for_toggle(request);
}
