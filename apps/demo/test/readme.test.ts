import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newUser, type User } from "./user.ts";

const README = join(import.meta.dirname, "../../../README.md");
const BUILD = join(import.meta.dirname, "../shop/build.mjs");
const PLAN = /^```text\n\$ lockstep plan -e production\n([\s\S]*?)^```$/m;
const RELEASE = /\d{8}T\d{6}Z-[0-9a-f]{8}/g;

/** The config of the page; both of its servers are the user's one. */
function configFor({ host }: User, config: string): string {
  const hostOf = (name: string): string =>
    JSON.stringify({ name, address: host.address, port: host.port, user: "deploy" });
  return config
    .replaceAll(/"deploy@(web-\d\.shop\.example)"/g, (_, name: string) => hostOf(name))
    .replace('source: "build",', 'source: "build", identity: "~/.ssh/id_ed25519",')
    .replace("/srv/shop", join(host.folder, "shop"));
}

/** One server, and nothing to restart or to ask: what was there before. */
function earlier(config: string): string {
  return config
    .replace(/, "deploy@web-2[^"]*"/, "")
    .replace(/^ *(restart|checks): .*\n/gm, "")
    .replace(/^ {8}users: [\s\S]*?^ {8}\}\),\n/m, "");
}

/** What the user's server is called on the page. */
function asOnThePage(text: string, { host }: User): string {
  const own = `ssh://${host.address}:${host.port}${join(host.folder, "shop")}`;
  let seen = 0;
  return text
    .replaceAll(own, () => `ssh://web-${(seen += 1)}.shop.example:22/srv/shop`)
    .replaceAll(join(host.folder, "shop"), "/srv/shop");
}

describe("the front page", () => {
  it("shows the plan that its config prints, word for word", async () => {
    const page = await readFile(README, "utf8");
    const [, config = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(page) ?? [];
    const [, shown = ""] = PLAN.exec(page) ?? [];
    const [release = ""] = shown.match(RELEASE) ?? [];
    await using user = await newUser();
    await writeFile(join(user.folder, "lockstep.config.ts"), configFor(user, config));
    await writeFile(join(user.folder, "earlier.config.ts"), configFor(user, earlier(config)));

    const { exit, stdout, screen } = await user.types(`
      npm install
      node ${BUILD} build --version 1
      npx lockstep deploy -e production -y -c earlier.config.ts >earlier.txt
      node ${BUILD} build --version 2
      npx lockstep plan -e production
    `);

    expect(exit, screen).toBe(0);
    const real = asOnThePage(stdout, user).replaceAll(RELEASE, release);
    await expect(page.replace(shown, () => real)).toMatchFileSnapshot(README);
  }, 60_000);
});
