# node: V8's JIT compiler, its garbage collector, workers, timers, a child process and WebAssembly.
cat > a.js <<'JS'
const { Worker, isMainThread, parentPort } = require("worker_threads");
if (!isMainThread) {
  let s = 0;
  for (let i = 0; i < 2e6; i++) s = (s * 31 + i) % 1000003;
  parentPort.postMessage(s);
} else {
  let x = 0;
  for (let i = 0; i < 5e6; i++) x = (x + Math.imul(i, 2654435761)) | 0;
  console.log(x);
  const objects = [];
  for (let i = 0; i < 300000; i++) { objects[i % 5000] = { id: i, text: "t" + i, list: [i, i + 1] }; }
  console.log(objects.length, objects.reduce((s, o) => s + o.list[1], 0));
  console.log(JSON.stringify([..."hello world".matchAll(/o(.)?/g)].map((m) => m[0])));
  console.log(require("crypto").createHash("sha256").update("x".repeat(100000)).digest("hex"));
  console.log(2n ** 200n % 1000000007n);
  console.log(require("child_process").execSync("echo child").toString().trim());
  const w = new Worker(__filename);
  w.on("message", (m) => console.log("worker", m));
  w.on("exit", () => setTimeout(() => console.log("timer"), 20));
  const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
  WebAssembly.instantiate(bytes).then((m) => console.log("wasm", m.instance.exports.add(40, 2)));
}
JS
node a.js | sort
