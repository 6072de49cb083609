# rustc builds a program, and it runs: threads, channels, collections, a panic that unwinds.
cat > a.rs <<'RS'
use std::collections::BTreeMap;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
fn main() {
    let (tx, rx) = mpsc::channel();
    let total = Arc::new(Mutex::new(0u64));
    let handles: Vec<_> = (0..4u64).map(|n| {
        let (tx, total) = (tx.clone(), Arc::clone(&total));
        thread::spawn(move || {
            let mut s = n;
            for k in 0..1_000_000u64 { s = s.wrapping_mul(6364136223846793005).wrapping_add(k); }
            *total.lock().unwrap() += s & 0xff;
            tx.send(s).unwrap();
        })
    }).collect();
    for h in handles { h.join().unwrap(); }
    drop(tx);
    let mut all: Vec<u64> = rx.iter().collect();
    all.sort();
    println!("{:?} {}", all, total.lock().unwrap());
    let mut m = BTreeMap::new();
    for i in 0..50_000u32 { m.entry(format!("k{}", i % 700)).or_insert_with(Vec::new).push(i); }
    println!("{} {}", m.len(), m.values().map(|v| v.len()).max().unwrap());
    std::panic::set_hook(Box::new(|_| {}));
    println!("{}", std::panic::catch_unwind(|| { let v: Vec<i32> = vec![]; v[all.len()] }).is_err());
}
RS
/usr/bin/rustc -O a.rs -o a
./a
