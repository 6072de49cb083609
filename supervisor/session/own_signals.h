// Purpose: the signals that are meant for the program when vsup gets them.
#pragma once

#include <csignal>

namespace vsup::supervisor {

inline constexpr int kForwardedSignals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};

}  // namespace vsup::supervisor
