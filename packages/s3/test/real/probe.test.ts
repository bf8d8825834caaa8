import { expect, it } from "vitest";
import { probeIn } from "../probe/probe-in.ts";
import { openGateway } from "./gateway.ts";

it("a probe finds out what a Ceph RADOS gateway does and ignores", async () => {
  await using gateway = await openGateway();

  expect(await probeIn(gateway, await gateway.bucket())).toEqual({
    create: "obeyed",
    replace: "obeyed",
    etags: "unquoted",
    remove: "ignored",
    copy: "ignored",
    checksums: "ignored",
  });
});
