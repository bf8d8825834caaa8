import { type S3Fault, startSandboxS3 } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { contend } from "./contend.ts";

it(
  "eight processes on one store create a key once and lose no update, though every fifth request is refused",
  { timeout: 120_000 },
  async () => {
    let asked = 0;
    const fault = (): S3Fault | undefined => ((asked += 1) % 5 === 0 ? "slow-down" : undefined);
    await using server = await startSandboxS3({ buckets: ["state"], fault });
    const { endpoint, region, credentials } = server;

    const left = await contend(
      { endpoint, region, credentials, bucket: "state", prefix: "run/" },
      4,
    );

    expect(left).toEqual({ winners: 1, isValueOfWinner: true, count: 32 });
  },
);
