import dns from "node:dns";
import { startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it, vi } from "vitest";
import { startFront } from "./front.ts";
import { Rig } from "./rig.ts";
import { filesOf, Folder } from "./world.ts";

/** Gives every name below `s3.test` the address of this machine. */
function nameThisMachine(): void {
  const { lookup } = dns;
  const answer = (name: string, options: dns.LookupOptions, done: Done): void =>
    lookup(name.endsWith("s3.test") ? "127.0.0.1" : name, options, done);
  vi.spyOn(dns, "lookup").mockImplementation(answer as typeof lookup);
}

type Done = (
  error: NodeJS.ErrnoException | null,
  address: string | dns.LookupAddress[],
  family: number,
) => void;

const KEYS = ["index.html", "a b/c+d&e=f.html", "h~i!'()*@$,;.html", "100%/ü/日本.html"];

describe("a bucket in the name of the host", () => {
  it.each(["own", "sdk"] as const)(
    "is deployed to, with keys of all kinds, and put back, by the engine %s",
    async (engine) => {
      nameThisMachine();
      await using server = await startSandboxS3({ buckets: ["shop"] });
      await using front = await startFront(server);
      await using folder = await Folder.open();
      const { port } = new URL(front.endpoint);
      const named = { ...front, endpoint: `http://s3.test:${port}` };
      await using rig = await Rig.join({ server: named, folder }, { pathStyle: false, engine });
      const odd = Object.fromEntries(KEYS.map((key) => [key, `<p>${key}`]));

      await rig.deploy({ ...filesOf("one"), ...odd });
      await rig.folder.build({ ...filesOf("two"), ...odd, "index.html": "<p>two" });
      const plan = await rig.plan();
      await rig.fence();
      await rig.apply(plan, "stage");
      const done = await rig.apply(plan, "activate");
      const seen = (key: string): string =>
        Buffer.from(server.buckets.get("shop")?.get(key)?.body ?? "").toString();
      expect(seen("index.html")).toBe("<p>two");
      expect(await rig.revert(done)).toEqual(["restored"]);

      for (const key of KEYS) expect(seen(key)).toBe(`<p>${key}`);
      expect([...new Set(front.asked.map(({ headers }) => headers.host))]).toEqual([
        `shop.s3.test:${port}`,
      ]);
      expect(front.asked.map(({ url }) => url).join(" ")).not.toContain("/shop/");
    },
  );
});
