// A program that runs on several stacks: coroutines that take turns, a signal handler on the interrupted stack and on
// one of its own, a handler that is left by siglongjmp.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))
enum { kStack = 65536, kTurns = 50 };
static volatile long sink;
static ucontext_t main_context, coroutine_context[2];
static sigjmp_buf way_out;

NOINLINE void burn(int rounds) {
  for (int i = 0; i < rounds; ++i) sink += i;
}
NOINLINE void turn(int which) {
  burn(100);
  swapcontext(&coroutine_context[which], &main_context);
}
NOINLINE void coroutine(int which) {
  for (int i = 0; i < kTurns; ++i) turn(which);
}
NOINLINE void take_turns(void) {
  static char stack[2][kStack];
  for (int i = 0; i < 2; ++i) {
    getcontext(&coroutine_context[i]);
    coroutine_context[i].uc_stack.ss_sp = stack[i];
    coroutine_context[i].uc_stack.ss_size = kStack;
    coroutine_context[i].uc_link = &main_context;
    makecontext(&coroutine_context[i], (void (*)(void))coroutine, 1, i);
  }
  for (int i = 0; i <= kTurns; ++i)
    for (int k = 0; k < 2; ++k) swapcontext(&main_context, &coroutine_context[k]);
}

NOINLINE void in_handler(void) {
  burn(1000);
}
static void handler(int number) {
  in_handler();
  if (number == SIGUSR2) siglongjmp(way_out, 1);
}
NOINLINE void interrupted(int number) {
  burn(10);
  raise(number);
  burn(10);
}
NOINLINE void left(void) {
  if (sigsetjmp(way_out, 1) == 0) interrupted(SIGUSR2);
  burn(10);
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGHUP, &action, NULL);
  stack_t alternate = {.ss_sp = malloc(kStack), .ss_size = kStack};
  sigaltstack(&alternate, NULL);
  take_turns();
  for (int i = 0; i < 5; ++i) interrupted(SIGUSR1);
  for (int i = 0; i < 5; ++i) interrupted(SIGHUP);
  for (int i = 0; i < 5; ++i) left();
  return 0;
}
