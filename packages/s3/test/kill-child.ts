// Deploys in a process of its own, to be killed: argv holds the server, the folder and the journal.
import { rename, writeFile } from "node:fs/promises";
import { argv } from "node:process";
import type { Json } from "@lockstep/plugin";
import { Rig } from "./rig.ts";
import type { Server } from "./world.ts";

const [, , server = "{}", path = "", journal = "", bucket = ""] = argv;
const folder = { path, build: async (): Promise<void> => {} };
await using rig = await Rig.join(
  { server: JSON.parse(server) as Server, folder },
  { bucket, limits: { inFlight: 1 } },
);
const records: Json[] = [];
const plan = await rig.plan();
await rig.fence();
for (const phase of ["stage", "activate"] as const) {
  await rig.apply(plan, phase, async (done) => {
    // as the runner: what is to be put back is durable before anything changes
    records.push(done as unknown as Json);
    await writeFile(`${journal}.new`, JSON.stringify(records));
    await rename(`${journal}.new`, journal);
  });
}
await rig.retire(plan);
