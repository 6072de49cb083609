// A library of the victim dlopen_loop.
static int counter;
__attribute__((constructor)) static void start(void) { counter = 1; }
int library_function(int x) { return x + counter; }
