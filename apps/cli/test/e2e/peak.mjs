// Loaded into a process by `node --import`: leaves behind the most memory that the process ever held, in bytes.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

process.on("exit", () => {
  // of this program alone: what getrusage tells begins with what its parent held
  const [, peak] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
  writeFileSync(process.env["PEAK_FILE"], String(Number(peak) * 1024));
});
