import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkOptions, defineTarget } from "../src/index.ts";

const host = z.union([
  z.string(),
  z.strictObject({ address: z.string(), port: z.int().max(65_535).optional() }),
]);
const schema = z.strictObject({ hosts: z.array(host).min(1), path: z.string() });

describe("options", () => {
  it("are returned when nothing is wrong with them", () => {
    expect(checkOptions(schema, { hosts: ["a"], path: "/srv" })).toEqual({
      value: { hosts: ["a"], path: "/srv" },
    });
  });

  it("are reported with every problem at once, each with its path", () => {
    const { problems } = checkOptions(schema, {
      hosts: ["a", { address: "b", port: 70_000 }],
      pfad: 1,
    });

    expect(
      problems?.map(({ path, unknownKey, known }) => [path.join("."), unknownKey, known]),
    ).toEqual([
      ["hosts.1.port", undefined, undefined],
      ["path", undefined, undefined],
      ["pfad", "pfad", ["hosts", "path"]],
    ]);
  });

  it("name the unknown key of the branch of a union that was meant, with the keys it knows", () => {
    const { problems } = checkOptions(schema, { hosts: [{ address: "b", prt: 1 }], path: "/srv" });

    expect(problems).toEqual([
      {
        path: ["hosts", 0, "prt"],
        message: "This key does not exist.",
        unknownKey: "prt",
        known: ["address", "port"],
      },
    ]);
  });

  it("may be checked by any library of the standard, also without known keys", () => {
    const strict = {
      "~standard": {
        version: 1 as const,
        vendor: "hand",
        validate: () => ({ issues: [{ message: "no", path: [{ key: "a" }, 0] }] }),
      },
    };

    expect(checkOptions(strict, {})).toEqual({ problems: [{ path: ["a", 0], message: "no." }] });
  });

  it("are refused when their schema is asynchronous, which is a mistake of the plugin", () => {
    const slow = {
      "~standard": { version: 1 as const, vendor: "hand", validate: async () => ({ value: 1 }) },
    };

    expect(() => checkOptions(slow, {})).toThrow(TypeError);
  });
});

describe("a target with wrong options", () => {
  it("carries its problems instead of throwing, and cannot be used", () => {
    const target = defineTarget(
      {
        plugin: "@acme/place",
        version: "1.0.0",
        schema,
        make: () => {
          throw new Error("must not be made");
        },
      },
      { hosts: [] },
    );

    expect(target["~lockstep"]).toEqual({ api: 1, plugin: "@acme/place", version: "1.0.0" });
    expect(target.problems?.map(({ path }) => path.join("."))).toEqual(["hosts", "path"]);
    expect(() => target.connect({} as never)).toThrow(TypeError);
  });
});
