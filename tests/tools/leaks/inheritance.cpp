// Objects kept by a pointer to their second base class; one whose bases have no virtual tables; a lost one.
struct First {
  virtual ~First() {}
  virtual int number() { return 1; }
  long a = 1;
};
struct Second {
  virtual ~Second() {}
  virtual int other() { return 2; }
  long b = 2;
};
struct Both : First, Second {
  int number() override { return 3; }
  long c = 3;
};
struct Plain {
  long a = 1, b = 2;
};
struct Mixed : Plain, Second {};

Second* kept;
Plain* plain;

int main() {
  kept = new Both;
  plain = new Mixed;
  First* lost = new Both;
  lost = nullptr;
  return lost != nullptr;
}
