import { describeBreaks, describeCrashes } from "../../sweep/real-hosts.ts";
import { FURNISHED } from "../furnished.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeCrashes(FURNISHED, { kills: 1, seed });
describeBreaks(FURNISHED, { positions: 1, seed });
