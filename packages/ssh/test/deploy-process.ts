import { readFileSync } from "node:fs";
import { deploy, type Wanted } from "../bench/deploy.ts";

const [told = "{}"] = process.argv.slice(2);
await deploy(JSON.parse(told) as Wanted);
// what getrusage tells begins with what the parent held
const [, peak] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
process.stdout.write(`${Number(peak) * 1024}\n`);
