import { describeLocalStoreCrashes } from "./describe.ts";

describeLocalStoreCrashes({ kills: 4, seed: Math.floor(Math.random() * 1_000_000) });
