// A client and a server over loopback TCP with threads, sendmsg with a descriptor over a Unix socket, and sendfile.
// EXPECT: sockets ok
#include "../victim.h"
#include <arpa/inet.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
static int listener;
static void* serve(void* unused) {
  for (int i = 0; i < 20; ++i) {
    int c = accept(listener, NULL, NULL);
    char b[64];
    ssize_t n;
    while ((n = read(c, b, sizeof b)) > 0) write(c, b, (size_t)n);
    close(c);
  }
  return NULL;
}
int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(listener, (void*)&address, sizeof address) == 0 && listen(listener, 5) == 0);
  getsockname(listener, (void*)&address, &length);
  pthread_t thread;
  pthread_create(&thread, NULL, serve, NULL);
  for (int i = 0; i < 20; ++i) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(s, (void*)&address, sizeof address) == 0);
    char b[6] = {0};
    write(s, "hello", 5);
    CHECK(recv(s, b, 5, MSG_WAITALL) == 5 && strcmp(b, "hello") == 0);
    close(s);
  }
  pthread_join(thread, NULL);
  int pair[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec v = {"x", 1};
  struct msghdr message = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
  int zero = open("/dev/zero", O_RDONLY);
  memcpy(CMSG_DATA(header), &zero, sizeof zero);
  CHECK(sendmsg(pair[0], &message, 0) == 1);
  char one;
  v.iov_base = &one;
  CHECK(recvmsg(pair[1], &message, 0) == 1);
  int received;
  memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
  int file = memfd_create("out", 0);
  CHECK(sendfile(file, received, NULL, 4096) >= 0 || errno == EINVAL);
  puts("sockets ok");
}
