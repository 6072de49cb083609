// What leaks_libraries.c opens.
void keep_inside(int size);
void keep(int size);
void keep(int size) { keep_inside(size); }
