import { readlink } from "node:fs/promises";
import { join } from "node:path";
import { contents } from "../world.ts";
import { targetOf } from "./crash-target.ts";
import { newPath, type Sweep, worldOf } from "./real-hosts.ts";

/** Releases with a secret, and a command that follows the link. */
export const PLAIN: Sweep = {
  name: "ssh",
  module: new URL("crash-target.ts", import.meta.url).href,
  async open(host, port) {
    const path = newPath(host);
    return worldOf(host, port, {
      targetOf,
      options: { path, restart: ["cp", "index.html", "../../restarted"] },
      token: "canary-5093-e1b7",
      // by what users get: the same content may come back under another name
      async observe() {
        const link = await readlink(join(path, "current")).catch(() => null);
        return link === null ? null : contents(join(path, link));
      },
    });
  },
};
