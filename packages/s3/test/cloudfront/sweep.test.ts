import { describeRoutedCrashes, describeRoutedNetwork } from "./sweeps.ts";

const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);

describeRoutedCrashes({ kills: 3, seed });
describeRoutedNetwork({ positions: 2, seed });
