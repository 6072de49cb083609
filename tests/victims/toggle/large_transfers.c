// A large transfer that has begun and is blocked when its thread is moved goes on: it returns everything, the data is
// right, and the registers of the call are as they were, moved once or often, from cache and from native code.
// RUN: none --instr-atstart=no
// MODES: default, one-instruction, no-link, toggle
// LIBS: -lutil
// TIMEOUT: 60
// EXPECT: 13 transfers whole
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <termios.h>
#include "toggle.h"
enum { kSize = 700001 };
static unsigned char data[kSize], drained[kSize + 16], received[kSize];
static const char* names[] = {"write pipe",    "writev pipe",   "write unix",     "send unix",        "sendmsg unix",
                              "writev tcp",    "sendfile unix", "recv waitall",   "recvmsg waitall",  "write pty",
                              "read zero",     "getrandom",     "write pipe eof"};
static int in, out, file, kind;
static long result;
static volatile int done;
static unsigned char* big;
enum { kBig = 48 << 20 };

// The arguments have to be as they were afterwards.
static long call(long number, long a, long b, long c, long d, long e, long f) {
  long rdi = a, rsi = b, rdx = c, value = number;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "+a"(value), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)::"rcx",
                   "r11", "memory");
  CHECK(rdi == a && rsi == b && rdx == c && r10 == d && r8 == e && r9 == f);
  return value;
}
static void* transfer(void* unused) {
  struct iovec parts[5] = {{data, 70001}, {data + 70001, 0}, {data + 70001, 300000}, {data + 370001, 1},
                           {data + 370002, kSize - 370002}};
  struct iovec places[2] = {{received, 123457}, {received + 123457, kSize - 123457}};
  struct msghdr to_send = {.msg_iov = parts, .msg_iovlen = 5}, to_receive = {.msg_iov = places, .msg_iovlen = 2};
  switch (kind) {
    case 0: case 2: case 9: case 12: result = call(SYS_write, out, (long)data, kSize, 0, 0, 0); break;
    case 1: case 5: result = call(SYS_writev, out, (long)parts, 5, 0, 0, 0); break;
    case 3: result = call(SYS_sendto, out, (long)data, kSize, 0, 0, 0); break;
    case 4: result = call(SYS_sendmsg, out, (long)&to_send, 0, 0, 0, 0); break;
    case 6: result = call(SYS_sendfile, out, file, 0, kSize, 0, 0); break;
    case 7: result = call(SYS_recvfrom, in, (long)received, kSize, MSG_WAITALL, 0, 0); break;
    case 8: result = call(SYS_recvmsg, in, (long)&to_receive, MSG_WAITALL, 0, 0, 0); break;
    case 10: result = call(SYS_read, file, (long)big, kBig, 0, 0, 0); break;
    case 11: result = call(SYS_getrandom, (long)big, kBig, 0, 0, 0, 0); break;
  }
  done = 1;
  return unused;
}
static void open_ends(void) {
  int ends[2];
  in = out = file = -1;
  switch (kind) {
    case 0: case 1: case 12: CHECK(pipe(ends) == 0); break;
    case 5: {
      struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
      socklen_t size = sizeof address;
      int listening = socket(AF_INET, SOCK_STREAM, 0), little = 8192;
      setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
      CHECK(bind(listening, (struct sockaddr*)&address, size) == 0 && listen(listening, 1) == 0);
      CHECK(getsockname(listening, (struct sockaddr*)&address, &size) == 0);
      ends[1] = socket(AF_INET, SOCK_STREAM, 0);
      setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
      CHECK(connect(ends[1], (struct sockaddr*)&address, size) == 0);
      ends[0] = accept(listening, NULL, NULL);
      close(listening);
      break;
    }
    case 9: {
      struct termios raw;
      CHECK(openpty(&ends[0], &ends[1], NULL, NULL, NULL) == 0);
      tcgetattr(ends[1], &raw);
      cfmakeraw(&raw);
      tcsetattr(ends[1], TCSANOW, &raw);
      break;
    }
    case 10: file = open("/dev/zero", O_RDONLY); return;
    case 11: return;
    default: CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  }
  in = ends[0], out = ends[1];
  if (kind == 6) {
    char name[] = "/tmp/vsup-transferXXXXXX";
    file = mkstemp(name);
    unlink(name);
    CHECK(write(file, data, kSize) == kSize && lseek(file, 0, SEEK_SET) == 0);
  }
}
static size_t drain(size_t have, size_t want) {
  while (have < want) {
    struct pollfd ready = {in, POLLIN, 0};
    if (poll(&ready, 1, 500) == 0 && done) break;  // it was cut short
    ssize_t got = read(in, drained + have, want - have);
    if (got <= 0) break;
    have += (size_t)got;
  }
  return have;
}
static int whole(void) {
  pthread_t thread;
  size_t have = 0, given = 0;
  const int receives = kind == 7 || kind == 8, computes = kind == 10 || kind == 11;
  done = 0;
  open_ends();
  memset(drained, 0, sizeof drained);
  memset(received, 0, sizeof received);
  CHECK(pthread_create(&thread, NULL, transfer, NULL) == 0);
  if (!computes) usleep(20000);
  for (int round = 0; round < 7 && !done; ++round) {
    if (receives) given += (size_t)write(out, data + given, 30000 + round);
    if (!receives && !computes) have = drain(have, have + 40000);
    usleep(computes ? 300 : 2000);
    toggle(1 - round % 2);
  }
  if (receives) while (given < kSize) given += (size_t)write(out, data + given, kSize - given);
  size_t expected = kSize;
  if (kind == 12) {  // the reader goes: what was written so far is the answer
    signal(SIGPIPE, SIG_IGN);
    close(in);
    in = -1;
  } else if (!receives && !computes) {
    have = drain(have, kSize);
  }
  pthread_join(thread, NULL);
  toggle(0);
  if (out >= 0) close(out);
  if (in >= 0) close(in);
  if (file >= 0) close(file);
  if (kind == 12) return result > (long)have && result < kSize;
  if (computes) return result == kBig;
  return result == (long)expected && memcmp(receives ? received : drained, data, kSize) == 0;
}
int main(void) {
  int count = 0;
  toggle_open();
  for (int i = 0; i < kSize; ++i) data[i] = (unsigned char)(i * 7 + i / 251);
  big = mmap(NULL, kBig, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (kind = 0; kind < 13; ++kind) {
    if (whole()) ++count;
    else printf("%s: %ld\n", names[kind], result);
  }
  printf("%d transfers whole\n", count);
}
