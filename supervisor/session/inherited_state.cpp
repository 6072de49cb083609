#include "supervisor/session/inherited_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <vector>

namespace vsup::supervisor {

namespace {

// Those that vsup would come to before the program does.
constexpr __rlimit_resource kLimits[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU};

struct Inherited {
  sigset_t mask;
  bool ignored[NSIG] = {};
  std::vector<int> descriptors;
  rlimit limits[std::size(kLimits)]{};

  Inherited() {
    sigprocmask(SIG_SETMASK, nullptr, &mask);
    for (size_t i = 0; i < std::size(kLimits); ++i) getrlimit(kLimits[i], &limits[i]);
    for (int number = 1; number < NSIG; ++number) {
      struct sigaction action {};
      if (sigaction(number, nullptr, &action) == 0) ignored[number] = action.sa_handler == SIG_IGN;
    }
    DIR* directory = opendir("/proc/self/fd");
    if (directory == nullptr) return;
    while (const dirent* entry = readdir(directory)) {
      const int fd = atoi(entry->d_name);
      if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && fd != dirfd(directory)) descriptors.push_back(fd);
    }
    closedir(directory);
    std::sort(descriptors.begin(), descriptors.end());
  }
};

const Inherited inherited;

}  // namespace

void restore_inherited_state_signal_safe() {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    action.sa_handler = inherited.ignored[number] ? SIG_IGN : SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  // Descriptors between the inherited ones are ours.
  unsigned next = 0;
  for (const int fd : inherited.descriptors) {
    if (static_cast<unsigned>(fd) > next) close_range(next, static_cast<unsigned>(fd) - 1, CLOSE_RANGE_CLOEXEC);
    next = static_cast<unsigned>(fd) + 1;
  }
  close_range(next, ~0u, CLOSE_RANGE_CLOEXEC);
  for (size_t i = 0; i < std::size(kLimits); ++i) setrlimit(kLimits[i], &inherited.limits[i]);
  sigprocmask(SIG_SETMASK, &inherited.mask, nullptr);
}

void raise_limits() {
  for (size_t i = 0; i < std::size(kLimits); ++i) {
    rlimit limit = inherited.limits[i];
    limit.rlim_cur = limit.rlim_max;
    setrlimit(kLimits[i], &limit);
  }
  // Beyond a limit on the size of files a write fails, and is reported as every other.
  signal(SIGXFSZ, SIG_IGN);
}

}  // namespace vsup::supervisor
