import { expect, it } from "vitest";
import { contend } from "../store/contend.ts";
import { openGateway } from "./gateway.ts";

it(
  "eight processes on one store in a Ceph RADOS gateway create a key once, and lose no update",
  { timeout: 120_000 },
  async () => {
    await using gateway = await openGateway();
    const { endpoint, region, credentials } = gateway;

    const left = await contend(
      { endpoint, region, credentials, bucket: await gateway.bucket(), prefix: "run/" },
      4,
    );

    expect(left).toEqual({ winners: 1, isValueOfWinner: true, count: 32 });
  },
);
