import { describeContainerSweeps } from "../containers.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeContainerSweeps({ kills: 1, seed });
