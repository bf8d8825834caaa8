// Adds to one number in a process of its own: argv holds the store and how often.
import { argv, stdout } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type StoreState, storeOf } from "./open-store.ts";

const [, , state = "", times = "", name = ""] = argv;
await using store = storeOf(JSON.parse(state) as StoreState);

const won = (await store.create("race", Buffer.from(name))) !== "exists";
for (let done = 0; done < Number(times);) {
  const found = await store.get("count");
  const next = Buffer.from(`${Number(Buffer.from(found?.body ?? []).toString()) + 1}`);
  const written =
    found === undefined
      ? await store.create("count", next)
      : await store.replace("count", next, found.tag);
  if (typeof written === "object") done += 1;
  else await sleep(Math.random() * 30);
}
stdout.write(won ? "won" : "lost");
