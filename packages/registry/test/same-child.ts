// Prints the digest of the image of a folder, as the process it runs in makes it.
import { argv, stdout } from "node:process";
import { Shop } from "./world.ts";

const [, , repository = "", folder = ""] = argv;
const shop = await Shop.open({ repository }, { folder });
const { outputs } = await shop.plan();
await shop.connection[Symbol.asyncDispose]();
stdout.write(JSON.stringify(outputs?.["digest"]));
