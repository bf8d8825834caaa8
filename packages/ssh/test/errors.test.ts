import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { testContext } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { reasonOf } from "../src/errors.ts";
import { ssh } from "../src/index.ts";
import { hostUnreachable } from "../src/login-errors.ts";

const WHERE = { name: "web-1", place: "ssh://web-1:22/srv/shop" };

describe("why something failed", () => {
  it("is said in words when a file cannot be read, without call and path", async () => {
    const failure: unknown = await readFile("/nowhere/at-all").catch((cause: unknown) => cause);

    expect(reasonOf(failure)).toBe("no such file or directory");
  });

  it("keeps the words of everything else", () => {
    expect(reasonOf(new Error("connect ECONNREFUSED 127.0.0.1:22"))).toBe(
      "connect ECONNREFUSED 127.0.0.1:22",
    );
  });

  it("is told of a host that says nothing, with the option that bounds it", async () => {
    const stop = AbortSignal.timeout(1);
    await new Promise((resolve) => {
      stop.addEventListener("abort", resolve, { once: true });
    });

    expect(hostUnreachable(WHERE, stop.reason)).toMatchObject({
      message: "ssh://web-1:22/srv/shop cannot be reached: it gave no answer in time.",
      hint: "Look at address, port, firewall and the SSH server; `connectTimeoutMs` is the time it has.",
      retryable: true,
    });
  });

  it("is told once when it is the same for all hosts", async () => {
    const identity = join(import.meta.dirname, "no-such-key");
    const target = ssh({
      hosts: ["me@127.0.0.1:9", "me@127.0.0.2:9"],
      knownHosts: import.meta.filename,
      path: "/srv/shop",
      source: "dist",
      identity,
      sshConfig: false,
    });
    await using connection = await target.connect(testContext(undefined));

    await expect(target.live(testContext(connection))).rejects.toMatchObject({
      errors: [
        {
          code: "SSH_KEY_UNREADABLE",
          message: `The identity ${identity} cannot be used: no such file or directory.`,
        },
      ],
    });
  });
});
