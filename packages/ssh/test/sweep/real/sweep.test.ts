import { PLAIN } from "../plain.ts";
import { describeBreaks, describeCrashes } from "../real-hosts.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeCrashes(PLAIN, { kills: 2, seed });
describeBreaks(PLAIN, { positions: 2, seed });
