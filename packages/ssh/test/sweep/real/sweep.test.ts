import { describeSshCrashes, describeSshNetwork } from "../sweeps.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeSshCrashes({ kills: 2, seed });
describeSshNetwork({ positions: 2, seed });
