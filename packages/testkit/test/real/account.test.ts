import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isAbandoned, ownerComment } from "../../src/account-owner.ts";
import { createAccount } from "../../src/account.ts";

const ACCOUNT = join(import.meta.dirname, "../../src/account.ts");

/** An account, and a process of it. */
interface Made {
  readonly name: string;
  readonly pid: number;
}

/** Makes an account in a process of its own, which removes it when its input ends. */
async function inProcess(): Promise<Made & { readonly maker: ChildProcessWithoutNullStreams }> {
  const code = `
    import { spawn } from "node:child_process";
    import { createAccount } from ${JSON.stringify(ACCOUNT)};
    await using account = await createAccount({ shell: "busybox" });
    const { pid } = spawn("sleep", ["600"], { uid: account.uid, detached: true, stdio: "ignore" });
    console.log(JSON.stringify({ name: account.name, pid }));
    for await (const _ of process.stdin);
  `;
  const maker = spawn(process.execPath, ["--input-type=module", "--eval", code]);
  const [line] = (await once(maker.stdout, "data")) as [Buffer];
  return { maker, ...(JSON.parse(line.toString()) as Made) };
}

describe("an account", { timeout: 120_000 }, () => {
  it("of a process that was killed goes away with its processes, one of a process that lives stays", async () => {
    const [lasting, { maker, name, pid }] = [await inProcess(), await inProcess()];
    maker.kill("SIGKILL");
    await once(maker, "exit");

    await using account = await createAccount({ shell: "dash" });

    const accounts = await readFile("/etc/passwd", "utf8");
    lasting.maker.stdin.end();
    await once(lasting.maker, "exit");
    expect(accounts).not.toContain(`${name}:`);
    expect(accounts).toContain(`${account.name}:`);
    expect(accounts).toContain(`${lasting.name}:`);
    for (const left of [`/home/${name}`, `/opt/${name}`, `/proc/${pid}/cwd`])
      await expect(stat(left)).rejects.toThrow("ENOENT");
  });

  it.each(["", "Somebody,,,", "lockstep test, process 1 started"])(
    "with the comment %j is nobody's to remove",
    async (comment) => {
      expect(await isAbandoned(comment)).toBe(false);
    },
  );

  it("is abandoned when its process number is another's by now, and not from another container", async () => {
    const own = await ownerComment();

    expect(await isAbandoned(own)).toBe(false);
    expect(await isAbandoned(own.replace(/started \d+/, "started 1"))).toBe(true);
    expect(await isAbandoned(own.replace(/process \d+/, "process 4194304"))).toBe(true);
    expect(await isAbandoned(own.replace(/started \d+ in \d+/, "started 1 in 1"))).toBe(false);
  });
});
