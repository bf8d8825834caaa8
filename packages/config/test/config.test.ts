import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_VERSION, defineTarget, isLockstepError, type Target } from "@lockstep/plugin";
import { localStore } from "@lockstep/state";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkConfig, loadConfig } from "../src/index.ts";

const ORIGIN = { file: "lockstep.config.ts", folder: "/nowhere", ci: false };

const schema = z.strictObject({ region: z.string(), port: z.int().optional() });

function place(options: unknown): Target {
  const kind = {
    plugin: "place",
    version: "1.2.3",
    schema,
    make: () => ({
      places: ["place://here"],
      traits: { fencing: "none" as const },
      steps: [],
      connect: async () => ({ [Symbol.asyncDispose]: async () => {} }),
      live: async () => [],
      plan: async () => ({ changes: [], unchanged: 0, steps: [], basedOn: null, undo: "" }),
    }),
  };
  return defineTarget(kind, options);
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isLockstepError(error)) throw new Error(`not a LockstepError: ${String(error)}`);
  return `${error.code} ${error.message}`;
}

describe("a config", () => {
  it("puts targets that the order does not name into the first group", async () => {
    const targets = {
      a: place({ region: "x" }),
      b: place({ region: "x" }),
      c: place({ region: "x" }),
    };

    const config = await checkConfig(
      { project: "shop", environments: { production: { targets, order: ["b", ["a"]] } } },
      ORIGIN,
    );

    expect(config.environments["production"]?.groups).toEqual([["c"], ["b"], ["a"]]);
  });

  it("keeps state beside itself when it does not say where", async () => {
    const config = await checkConfig(
      { project: "shop", environments: { production: { targets: { a: place({ region: "x" }) } } } },
      ORIGIN,
    );

    expect(config.environments["production"]?.store.place).toBe("/nowhere/.lockstep");
  });

  it("reports every problem of every target at once, with its path and the nearest key", async () => {
    const written = {
      project: "shop",
      environments: {
        production: {
          targets: { web: place({ regoin: "x", port: "80" }), api: { not: "a target" } },
          order: ["wbe"],
        },
        staging: { targets: {} },
      },
    };

    const message = await messageOf(checkConfig(written, ORIGIN));

    expect(message).toMatchInlineSnapshot(`
      "CONFIG_INVALID lockstep.config.ts has 6 problems:
        environments.production.targets.web.region: Invalid input: expected string, received undefined.
        environments.production.targets.web.port: Invalid input: expected number, received string.
        environments.production.targets.web.regoin: This key does not exist. Did you mean "region"?
        environments.production.targets.api: This is not a target: call a plugin's function, such as ssh({ … }).
        environments.production.order[0]: There is no target wbe. Did you mean "web"?
        environments.staging.targets: There is no target."
    `);
  });

  it("names unknown keys at the top, and names that cannot be file names", async () => {
    const message = await messageOf(
      checkConfig(
        { project: "shop", environment: {}, environments: { "Prod/1": { targets: {} } } },
        ORIGIN,
      ),
    );

    expect(message).toContain('environment: This key does not exist. Did you mean "environments"?');
    expect(message).toContain(
      "environments.Prod/1: A name has 1 to 40 characters of a-z, 0-9 and -.",
    );
  });

  it("refuses members of a target that do not exist", async () => {
    const target = { ...place({ region: "x" }), fence_: () => {} };

    const message = await messageOf(
      checkConfig(
        { project: "shop", environments: { production: { targets: { web: target } } } },
        ORIGIN,
      ),
    );

    expect(message).toContain(
      'targets.web.fence_: A target has no such member. Did you mean "fence"?',
    );
  });

  it("refuses a plugin of another contract version, naming both", async () => {
    const target = {
      ...place({ region: "x" }),
      "~lockstep": { api: 7, plugin: "place", version: "9.0.0" },
    };

    const message = await messageOf(
      checkConfig(
        { project: "shop", environments: { production: { targets: { web: target } } } },
        ORIGIN,
      ),
    );

    expect(message).toBe(
      `PLUGIN_INCOMPATIBLE place speaks version 7 of the plugin contract; this Lockstep speaks ${API_VERSION}.`,
    );
  });

  it("refuses a lease that an ordinary pause would lose", async () => {
    const targets = { web: place({ region: "x" }) };
    const store = localStore({ ttlMs: 1999 });

    const message = await messageOf(
      checkConfig({ project: "shop", environments: { production: { targets, store } } }, ORIGIN),
    );

    expect(message).toContain("production.store: A lease of 1999 ms is too short: 2,000 at least.");
  });

  it("must say in CI where state is kept, and an ephemeral store is an answer", async () => {
    const targets = { web: place({ region: "x" }) };
    const ci = { ...ORIGIN, ci: true };

    const message = await messageOf(
      checkConfig({ project: "shop", environments: { production: { targets } } }, ci),
    );
    const config = await checkConfig(
      {
        project: "shop",
        environments: { production: { targets, store: localStore({ ephemeral: true }) } },
      },
      ci,
    );

    expect(message).toContain("environments.production.store: CI machines are thrown away");
    expect(message).toContain("localStore({ ephemeral: true })");
    expect(config.environments["production"]?.store.traits).toEqual({
      durable: false,
      ephemeral: true,
    });
  });
});

describe("a config file", () => {
  const request = { ci: false, nodeVersion: "24.0.0" };

  async function load(name: string, text: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-config-"));
    try {
      await writeFile(join(folder, name), text);
      return await messageOf(loadConfig({ ...request, cwd: folder }));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it("is refused on a Node that cannot strip types, before it is looked for", async () => {
    expect(
      await messageOf(loadConfig({ ...request, cwd: "/nowhere", nodeVersion: "22.17.1" })),
    ).toBe("NODE_TOO_OLD This is Node 22.17.1; Lockstep needs 22.18 or later.");
  });

  it("is looked for in one folder only, under three names", async () => {
    expect(await messageOf(loadConfig({ ...request, cwd: "/nowhere" }))).toBe(
      "CONFIG_MISSING There is no lockstep.config.ts, lockstep.config.js, lockstep.config.mjs in /nowhere.",
    );
  });

  it("says which package it imports that is not installed", async () => {
    expect(await load("lockstep.config.mjs", 'import "@acme/none"; export default {};')).toBe(
      "PLUGIN_MISSING The config imports @acme/none, which is not installed.",
    );
  });

  it("says what is wrong when it cannot be evaluated", async () => {
    expect(await load("lockstep.config.mjs", 'throw new Error("no network");')).toBe(
      "CONFIG_BROKEN lockstep.config.mjs could not be loaded: no network",
    );
  });

  it("says so when it exports nothing", async () => {
    expect(await load("lockstep.config.mjs", "export const a = 1;")).toContain("CONFIG_INVALID");
  });
});
