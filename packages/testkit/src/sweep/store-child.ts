// One write to a store in a process of its own, which is killed at a point.
import { writeSync } from "node:fs";
import process from "node:process";
import { points } from "./points.ts";
import type { StoreCrashModule, StoreJob } from "./store-sweep.ts";

const job = JSON.parse(process.argv[2] ?? "") as StoreJob;
const { default: open } = (await import(job.module)) as { readonly default: StoreCrashModule };
const store = await open(job.state);
const body = Buffer.from(job.body);
const tag = (await store.get(job.key))?.tag ?? "";
points.at = job.at;
points.armed = true;
if (job.verb === "create") await store.create(job.key, body);
if (job.verb === "replace") await store.replace(job.key, body, tag);
if (job.verb === "remove") await store.remove(job.key, tag);
points.armed = false;
writeSync(1, `${JSON.stringify({ points: points.passed })}\n`);
