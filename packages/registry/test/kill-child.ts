// Deploys in a process of its own, to be killed: argv holds the options, the folder and the release.
import { readFile, writeFile } from "node:fs/promises";
import { argv } from "node:process";
import type { Json } from "@lockstep/plugin";
import type { RegistryOptions } from "../src/index.ts";
import { Shop, TWO } from "./world.ts";

const [, , options = "{}", folder = "", journal = ""] = argv;
const shop = await Shop.open(JSON.parse(options) as RegistryOptions, { folder });
const plan = await shop.plan(TWO);
const records: Json[] = [];
for (const step of plan.steps.filter(({ phase }) => phase === "stage" || phase === "activate")) {
  const before = await shop.handlerOf(step).inspect(step.input, shop.context());
  // as the runner: what is to be put back is durable before anything changes
  records.push({ step: JSON.parse(JSON.stringify(step)) as Json, before });
  await writeFile(`${journal}.new`, JSON.stringify(records));
  await writeFile(journal, await readFile(`${journal}.new`));
  await shop.handlerOf(step).apply(step.input, before, shop.context());
}
await shop.connection[Symbol.asyncDispose]();
