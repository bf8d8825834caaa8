import { describeS3StoreCrashes } from "./crashes.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeS3StoreCrashes({ kills: 2, seed });
