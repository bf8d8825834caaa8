import { execFile } from "node:child_process";
import { join } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";
import { type StoreState, storeOf } from "./open-store.ts";

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, "contend-child.ts");

/** What eight processes left behind. */
export interface Contended {
  /** How many were told that they created the key. */
  readonly winners: number;
  readonly isValueOfWinner: boolean;
  /** What all added to one number. */
  readonly count: number;
}

/** Lets eight processes create one key, and add to one number so many times each, at once. */
export async function contend(state: StoreState, times: number): Promise<Contended> {
  const names = Array.from({ length: 8 }, (_, index) => `process-${index}`);
  const said = await Promise.all(
    names.map(async (name) => {
      const words = [SCRIPT, JSON.stringify(state), String(times), name];
      return (await run(execPath, ["--conditions=@lockstep/source", ...words])).stdout;
    }),
  );

  await using store = storeOf(state);
  const textOf = async (key: string): Promise<string> =>
    Buffer.from((await store.get(key))?.body ?? []).toString();
  return {
    winners: said.filter((word) => word === "won").length,
    isValueOfWinner: (await textOf("race")) === names[said.indexOf("won")],
    count: Number(await textOf("count")),
  };
}
