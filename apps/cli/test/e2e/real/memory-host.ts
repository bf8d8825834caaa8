import { join } from "node:path";
import { startSshd } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { type Amount, startMeasured } from "../memory.ts";

/** Deploys to a real host, first and again with one file changed, by the built command. */
export function describeHostMemory({ files, bytes, mostMiB }: Amount): void {
  describe("a process that deploys to a host", () => {
    it(`${files} files holds at most ${mostMiB} MiB, first and incremental`, async () => {
      await using deployed = await startMeasured("ssh");
      await using host = await startSshd({ folder: join(deployed.folder, "host") });
      await deployed.configure(`ssh({
        hosts: [{ address: "${host.address}", port: ${host.port}, user: "${host.user}", hostKey: "${host.hostKey}" }],
        identity: "${host.identity}", path: "${join(deployed.folder, "shop")}", source: "build", sshConfig: false,
      })`);

      const peaks = await deployed.peaksOf({ files, bytes });

      expect(Math.max(...peaks)).toBeLessThanOrEqual(mostMiB);
    }, 3_600_000);
  });
}
