# java: HotSpot's compilers, its collector, threads, and the implicit null checks that it does by SIGSEGV.
cat > A.java <<'JAVA'
import java.util.*;
import java.util.concurrent.*;
public class A {
  static class Node { Node next; int value; }
  static long fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
  public static void main(String[] a) throws Exception {
    System.out.println(fib(30));
    Map<String, Integer> m = new HashMap<>();
    for (int i = 0; i < 300000; i++) m.merge("k" + i % 1000, i, Integer::sum);
    System.out.println(m.size() + " " + m.get("k7"));
    int caught = 0;
    Node none = null, some = new Node();
    for (int i = 0; i < 100000; i++) { try { caught += (i % 2 == 0 ? none : some).value; } catch (NullPointerException e) { caught++; } }
    System.out.println(caught);
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Long>> f = new ArrayList<>();
    for (int i = 0; i < 8; i++) { int n = i; f.add(pool.submit(() -> { long s = 0; for (int k = 0; k < 1000000; k++) s += k % (n + 1); return s; })); }
    for (Future<Long> x : f) System.out.print(x.get() + " ");
    pool.shutdown();
    try { deep(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
    for (int i = 0; i < 2000; i++) { byte[][] g = new byte[50][10000]; }
    System.gc();
    try { System.out.println(1 / (a.length)); } catch (ArithmeticException e) { System.out.println("division"); }
  }
  static int deep(int n) { return deep(n + 1) + 1; }
}
JAVA
javac A.java
java -Xmx256m -cp . A
