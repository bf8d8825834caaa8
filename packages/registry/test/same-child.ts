// Prints the digests of images of a folder, as the process it runs in makes them.
import { argv, stdout } from "node:process";
import type { RegistryOptions } from "../src/index.ts";
import { Shop } from "./world.ts";

const [, , repository = "", folder = ""] = argv;
const directory = "dist";
const base = "scratch";
const sources: readonly RegistryOptions["source"][] = [
  { directory, base },
  { directory, base, layers: "one" },
  { directory, base, platforms: ["linux/amd64", "linux/arm64/v8"] },
];
const digests: unknown[] = [];
for (const source of sources) {
  const shop = await Shop.open({ repository, source }, { folder });
  digests.push((await shop.plan()).outputs?.["digest"]);
  await shop.connection[Symbol.asyncDispose]();
}
stdout.write(JSON.stringify(digests));
