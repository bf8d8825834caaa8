import { describeFurnishedSweeps } from "../furnished.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeFurnishedSweeps({ kills: 1, positions: 1, seed });
