// Arrays with a count before their elements, kept by the pointer behind it; plain ones; a lost one.
struct Element {
  ~Element() { value = 0; }
  int value = 1;
};
Element* kept;
int* plain;

int main() {
  kept = new Element[7];
  plain = new int[9];
  Element* lost = new Element[5];
  lost = nullptr;
  return lost != nullptr;
}
