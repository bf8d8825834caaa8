import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { CheckResult, Finding } from "@lockstep/plugin";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Rig } from "../rig.ts";
import { filesOf, scriptOf } from "../world.ts";
import { digestOf, RoutedRig } from "./routed-rig.ts";

describe("what visitors of a routed site get", () => {
  let world: RoutedRig;
  let front: Server;
  let site: Rig;
  let url: string;
  beforeEach(async () => {
    world = await RoutedRig.open();
    front = createServer((message, response) => {
      const uri = message.url ?? "/";
      const serve = async (): Promise<void> => {
        const cookies = cookiesOf(message.headers.cookie);
        const { status, headers, body } = await world.edge.visit(uri, { cookies });
        response.writeHead(status, { ...headers }).end(body);
      };
      serve().catch(() => message.socket.destroy());
    });
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    site = await world.beside({}, { check: { url, paths: ["/", "/about/"], sample: 20 } });
  });
  afterEach(async () => {
    front.closeAllConnections();
    front.close();
    await site.connection[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const files = {
    ...filesOf("one"),
    "404.html": "<p>Nothing here</p>",
    _redirects: "/go /about/ 301\n",
  };

  async function checked(): Promise<CheckResult | undefined> {
    const plan = await site.plan();
    await site.fence();
    await site.apply(plan, "stage");
    await site.apply(plan, "activate");
    const step = plan.steps.find(({ phase }) => phase === "verify");
    return site.target.checks?.[0]?.check(step?.input ?? null, site.context());
  }

  it("fails the check when a page is not what a clean URL is to show", async () => {
    await site.folder.build({ ...files, "shop.html": "<p>shop</p>" });
    expect(await checked()).toEqual({ status: "pass" });
    const name = digestOf((await site.live()).ref);
    site.edit(`r/${name}/shop.html`, "by hand");
    world.edge.cache.clear();
    const input = { release: `sha256:${name}`, run: "", from: null, url, sample: 0, clean: true };
    const check = async (path: string): Promise<CheckResult | undefined> =>
      site.target.checks?.[0]?.check({ ...input, paths: [path] }, site.context());
    expect(await check("/shop")).toMatchObject({ status: "fail" });
    expect(await check("/about/")).toMatchObject({ status: "pass" });
  });

  it("is checked over the public URL before anybody is led to it", async () => {
    await site.folder.build(files);
    const plan = await site.plan();
    const step = plan.steps.find(({ id }) => id === "check-staged");
    expect(step).toMatchObject({ phase: "stage", wave: 1 });
    const check = async (): Promise<CheckResult | undefined> =>
      site.target.checks?.[0]?.check(step?.input ?? null, site.context());
    await site.fence();
    await site.apply(plan, "stage");
    expect(await check()).toEqual({ status: "pass" });
    const [staged = ""] = [...world.store.values.keys()].filter((key) => key.includes(".staged."));
    const route = world.store.values.get(staged) ?? "";
    world.store.values.delete(staged); // a place of CloudFront that does not know it yet
    expect(await check()).toMatchObject({ status: "fail" });
    world.store.values.set(staged, route);
    expect(await world.edge.visit("/")).toMatchObject({ status: 503 });
    site.edit(`r/${digestOf(plan.outputs?.["digest"])}/index.html`, "by hand");
    world.edge.cache.clear();
    expect(await check()).toMatchObject({ status: "fail" });
    expect(site.target.checks?.[0]?.describe(step?.input ?? null)).toContain("staged");
  });

  it("passes the check: pages, assets, redirects, and the page for what is missing", async () => {
    await site.folder.build(files);
    expect(await checked()).toEqual({ status: "pass" });
  });

  it("fails the check as long as a place of CloudFront still leads to the release before", async () => {
    await site.deploy(files);
    await site.folder.build({ ...files, "index.html": "<p>new</p>" });
    const old = world.store.values.get("site") ?? "";
    const plan = await site.plan();
    await site.fence();
    await site.apply(plan, "stage");
    await site.apply(plan, "activate");
    const step = plan.steps.find(({ phase }) => phase === "verify");
    const check = async (): Promise<CheckResult | undefined> =>
      site.target.checks?.[0]?.check(step?.input ?? null, site.context());
    const now = world.store.values.get("site") ?? "";
    world.store.values.set("site", old);
    expect(await check()).toMatchObject({ status: "fail" });
    world.store.values.set("site", now);
    expect(await check()).toMatchObject({ status: "pass" });
    expect(step?.until).toMatchObject({ successes: 1, deadlineMs: 60_000 });
  });

  it("is looked at by doctor: the store, what is live, and the router in front", async () => {
    await site.deploy(files);
    const found = await findingsOf(site, "doctor");
    expect(found.map(({ level }) => level)).toEqual(["ok", "ok", "ok", "ok", "ok"]);
    expect(found[4]?.text).toContain("lockstep-router/1 site is installed");
    front.removeAllListeners("request");
    front.on("request", (_, response) => response.end("<html>"));
    expect((await findingsOf(site, "doctor"))[4]).toMatchObject({ level: "fail" });
    front.removeAllListeners("request");
    front.on("request", (_, response) => response.end("lockstep-router/0 site\n"));
    expect((await findingsOf(site, "doctor"))[4]?.text).toContain("Router 0 is installed");
    expect((await findingsOf(world.rig, "doctor"))[4]).toMatchObject({ level: "warn" });
  });

  it("is compared object by object, and value by value, when asked", async () => {
    await site.deploy(files);
    expect((await findingsOf(site, "audit")).map(({ level }) => level)).toEqual(["ok"]);
    const name = digestOf((await site.live()).ref);
    const page = world.rig.objects.get(`r/${name}/index.html`);
    if (page === undefined) throw new Error("there is no page");
    const body = Buffer.from(page.body);
    body[0] = 0x20; // under the same mark, and as long as before
    world.rig.objects.set(`r/${name}/index.html`, { ...page, body });
    expect((await findingsOf(site, "audit"))[0]?.text).toMatch(/^1 live objects.*: index\.html$/);
    world.rig.objects.set(`r/${name}/index.html`, page);
    site.edit(`r/${name}/style.css`, "by hand");
    world.rig.objects.delete(`p/${scriptOf('console.log("one")')}`);
    const part = [...world.store.values.keys()].find((key) => key.includes(".t.")) ?? "";
    world.store.edit(part, "-");
    const found = await findingsOf(site, "audit");
    expect(found.map(({ level }) => level)).toEqual(["fail", "fail", "ok"]);
    expect(found[0]?.text).toMatch(/2 live objects.*\(gone\).*style\.css/);
    world.store.edit("site", "by hand");
    expect((await findingsOf(site, "audit"))[0]).toMatchObject({ level: "fail" });
    expect((await site.live()).ref).toEqual({ route: "by hand" });
  });
});

function cookiesOf(text: string = ""): Record<string, string> {
  const pairs = text.split("; ").flatMap((one) => {
    const [name, value] = one.split("=");
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(pairs);
}

async function findingsOf(rig: Rig, what: "doctor" | "audit"): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for await (const finding of rig.target[what]?.(rig.context()) ?? []) found.push(finding);
  return found;
}
